// The package from its archive on a server: in Node.js 20 and 22, without a bundler and in bundles, and rendered by Vite.
//
// LONG  also test the older versions of Vite

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";

import { fixture, verifyNatively } from "../fixture.js";
import { VITES, node, prepare, run } from "./tools.js";

const RENDERED = '<button title="50">function function</button>\n';
/** The versions of Node.js from npm, which has them for this platform only. Elsewhere, the present one. */
let versions, withoutBundler;

before(async () => {
  withoutBundler = prepare("node", "server");
  versions = [20, 22].map((major) => join(withoutBundler, `node_modules/node${major}/bin/node`)).filter((path) => existsSync(path));
  if (process.platform === "linux" && process.arch === "x64") assert.equal(versions.length, 2);
  else versions = [process.execPath];
});

/** Runs a server's script in each version of Node.js, and checks its post. */
async function posts(folder, script) {
  for (const version of versions) {
    const { pass, threads } = JSON.parse(await node(version, folder, script));
    assert.equal(threads, 1);
    assert.deepEqual(verifyNatively([{ message: "bundled", pass, root: fixture.root, now: fixture.now }]), ["accepted"]);
  }
}

test("Node.js 20 and 22, without a bundler", async () => {
  const majors = [];
  for (const version of versions) majors.push((await node(version, withoutBundler, "-p", "process.versions.node")).split(".")[0]);
  if (versions.length === 2) assert.deepEqual(majors, ["20", "22"]);
  await posts(withoutBundler, "src/server.js");
});

test("esbuild: in the bundle with its WebAssembly, as a module and as CommonJS, and left out of it", async () => {
  const folder = prepare("esbuild", "server");
  const bundle = (entry, ...args) => run(folder, "esbuild/bin/esbuild", entry, "--bundle", "--platform=node", "--target=node20", "--log-level=error", ...args);
  await bundle("src/server-esbuild.js", "--format=esm", "--loader:.wasm=binary", "--outfile=out/server.mjs");
  await bundle("src/server-esbuild.js", "--format=cjs", "--loader:.wasm=binary", "--outfile=out/server.cjs");
  await bundle("src/server.js", "--format=esm", "--packages=external", "--outfile=out/external.mjs");
  for (const script of ["out/server.mjs", "out/server.cjs", "out/external.mjs"]) await posts(folder, script);

  // Without the file the error says what to do.
  for (const [format, ending] of [["esm", "mjs"], ["cjs", "cjs"]]) {
    await bundle("src/server.js", `--format=${format}`, `--outfile=out/without.${ending}`);
    await assert.rejects(posts(folder, `out/without.${ending}`), /keep @quotapass\/web out of the bundle, or pass the file's bytes/);
  }
});

test("webpack5: in the bundle, without a configuration", async () => {
  const folder = prepare("webpack5", "server");
  const output = ["--output-path", "out", "--output-filename", "server.cjs"];
  await run(folder, "webpack/bin/webpack.js", "./src/server.js", "--target", "node", "--mode", "production", ...output);
  await posts(folder, "out/server.cjs");
});

for (const vite of VITES) {
  test(`${vite}: a server's build, and pages rendered by the build and by the development server`, async () => {
    const folder = prepare(vite, "server");
    const build = (entry, out) => run(folder, "vite/bin/vite.js", "build", "--ssr", entry, "--outDir", out, "--logLevel", "error");
    await build("src/server.js", "out");
    await posts(folder, "out/server.js");
    await build("src/render.js", "out-ssr");
    for (const version of versions) assert.equal(await node(version, folder, "ssr-built.js"), RENDERED);
    assert.equal(await node(process.execPath, folder, "ssr-dev.js"), RENDERED);
  });
}
