// The package from its archive in bundles for browsers: each is built, and posts in Chromium with one thread and with
// several.
//
// QUOTAPASS_CHROMIUM  the browser; /usr/bin/chromium if it is not set
// LONG                also test the older versions of Vite

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { chromium } from "playwright-core";

import { fixture, folder as fixtureFolder, read, verifyNatively } from "../fixture.js";
import { serve } from "../server.js";
import { VITES, prepare, run } from "./tools.js";

const executablePath = process.env.QUOTAPASS_CHROMIUM ?? "/usr/bin/chromium";
let browser;

before(async () => {
  assert.ok(existsSync(executablePath), `no browser at ${executablePath}; install chromium or set QUOTAPASS_CHROMIUM`);
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
});

after(() => browser?.close());

/** Writes a page with the script `app.js` beside it. */
function writePage(folder, kind) {
  writeFileSync(join(folder, "index.html"), `<!doctype html><meta charset="utf-8" /><script ${kind} src="app.js"></script>\n`);
}

/** Opens the app, and checks its post and the number of its threads. */
async function posts(url, isIsolated) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(error.message));
  await page.route("**/fixture/*", (route) => route.fulfill({ body: Buffer.from(read(route.request().url().split("/").at(-1))) }));
  await page.goto(url);
  const { pass, threads } = await page.evaluate(() => window.result);
  assert.deepEqual(verifyNatively([{ message: "bundled", pass, root: fixture.root, now: fixture.now }]), ["accepted"]);
  const cores = await page.evaluate(() => navigator.hardwareConcurrency);
  assert.equal(threads, isIsolated ? Math.min(cores, 4) : 1);
  assert.deepEqual(problems, []);
  await context.close();
}

/** Serves a bundle with and without the headers for threads, and opens the app. */
async function postsFrom(root) {
  for (const isolated of [false, true]) {
    const server = await serve(fixtureFolder, { isolated, root });
    try {
      await posts(`${server.url}/index.html`, isolated);
    } finally {
      server.close();
    }
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Opens the app in Vite's development server. */
async function postsInDevelopment(folder) {
  const port = await freePort();
  const args = ["--host", "127.0.0.1", "--port", String(port), "--strictPort", "--config", "vite.isolated.config.js"];
  const server = spawn(process.execPath, ["node_modules/vite/bin/vite.js", ...args], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  try {
    const url = `http://127.0.0.1:${port}/`;
    const until = Date.now() + 30_000;
    while (!(await fetch(url).then(({ ok }) => ok, () => false))) {
      assert.ok(Date.now() < until && server.exitCode === null, "the server of Vite does not answer");
      await pause(100);
    }
    await posts(url, true);
  } finally {
    server.kill();
  }
}

for (const vite of VITES) {
  test(`${vite}: build and development server`, async () => {
    const folder = prepare(vite, "browser");
    await run(folder, "vite/bin/vite.js", "build", "--outDir", "out", "--logLevel", "error");
    await postsFrom(join(folder, "out"));
    await postsInDevelopment(folder);
  });
}

test("webpack5: without a configuration", async () => {
  const folder = prepare("webpack5", "browser");
  await run(folder, "webpack/bin/webpack.js", "./src/main.js", "--output-path", "out", "--output-filename", "app.js", "--mode", "production");
  writePage(join(folder, "out"), "defer");
  await postsFrom(join(folder, "out"));
});

test("esbuild: as modules", async () => {
  const folder = prepare("esbuild", "browser");
  const entries = ["app=src/main-esbuild.js", "quotapass-worker=@quotapass/web/worker.js"];
  await run(folder, "esbuild/bin/esbuild", ...entries, "--bundle", "--format=esm", "--outdir=out", "--loader:.wasm=file");
  writePage(join(folder, "out"), 'type="module"');
  await postsFrom(join(folder, "out"));
});

test("esbuild: the worker as a classic script", async () => {
  const folder = prepare("esbuild", "browser");
  const options = ["--bundle", "--outdir=out", "--loader:.wasm=file"];
  await run(folder, "esbuild/bin/esbuild", "app=src/main-esbuild.js", ...options, "--format=esm");
  await run(folder, "esbuild/bin/esbuild", "quotapass-worker=@quotapass/web/worker.js", ...options, "--format=iife");
  writePage(join(folder, "out"), 'type="module"');
  await postsFrom(join(folder, "out"));
});

test("the snippets of the README are those that are tested", () => {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const config = readFileSync(new URL("app/vite.config.js", import.meta.url), "utf8");
  assert.ok(readme.includes(config), "the configuration of Vite differs");
  for (const text of [
    "esbuild app=src/main.js quotapass-worker=@quotapass/web/worker.js --bundle --format=esm --outdir=out --loader:.wasm=file",
    ...readFileSync(new URL("app/src/main-esbuild.js", import.meta.url), "utf8").match(/^(import wasm|const (at|files) ).*$/gm),
  ]) {
    assert.ok(readme.includes(text), text);
  }
});
