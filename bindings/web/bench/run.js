// Proofs of this package and of snarkjs in one page of Chromium, in turn.
//
// FIXTURE             the folder that `native make` wrote
// QUOTAPASS_CHROMIUM  the browser; /usr/bin/chromium if it is not set
// ROUNDS              how often each is measured; 7 if it is not set

import { createHash } from "node:crypto";
import { statSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

import { serve } from "../test/server.js";
import { makeZkey } from "./zkey.js";

const folder = process.env.FIXTURE;
if (!folder) throw new Error("FIXTURE is not set; run this with `cargo xtask web bench`");
const rounds = Number(process.env.ROUNDS ?? 7);

const sorted = (times) => [...times].sort((a, b) => a - b);
const median = (times) => sorted(times)[times.length >> 1];
const best = (times) => sorted(times)[0];
const hash = async (name) => createHash("sha256").update(await readFile(join(folder, name))).digest("hex");

await makeZkey(folder);
const hashes = { post: await hash("post.key"), badge: await hash("badge.key") };
const server = await serve(folder);
const browser = await chromium.launch({
  executablePath: process.env.QUOTAPASS_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
const page = await browser.newPage();
page.setDefaultTimeout(0);
await page.addInitScript((hashes) => (window.hashes = hashes), hashes);
await page.goto(`${server.url}/bench/page.html`);
await page.waitForFunction(() => document.title === "ready");

const times = { ready: [], prepare: [], post: [], first: [], badge: [], verify: [], snarkjs: [], "snarkjs-threads": [] };
// Once before, for caches and compilers.
await page.evaluate(async () => (await window.ready(), await window.ours(1), await window.theirs(1, true)));
for (let round = 0; round < rounds; round++) {
  times.ready.push(await page.evaluate(() => window.ready()));
  for (const [name, measured] of Object.entries(await page.evaluate(() => window.ours(1)))) times[name].push(...measured);
  times.snarkjs.push(...(await page.evaluate(() => window.theirs(1, true))));
  times["snarkjs-threads"].push(...(await page.evaluate(() => window.theirs(1, false))));
}
const version = browser.version();
await browser.close();
server.close();

const rows = [
  ["ready", "start to ready, keys in the cache"],
  ["prepare", "prepare for a room"],
  ["post", "post, prepared: reserve and prove"],
  ["first", "first post: prepare, reserve and prove"],
  ["badge", "badge: a whole proof, witness included"],
  ["verify", "verify a post"],
  ["snarkjs", "snarkjs, 1 thread: a whole proof of `post`, witness not included"],
  ["snarkjs-threads", "snarkjs, its workers: the same"],
];
const bytes = (path) => statSync(path).size;
const module = fileURLToPath(new URL("../wasm/quotapass_web_bg.wasm", import.meta.url));
const report = {
  chromium: version,
  rounds,
  bytes: { wasm: bytes(module), postKey: bytes(join(folder, "post.key")), postZkey: bytes(join(folder, "post.zkey")) },
  milliseconds: Object.fromEntries(rows.map(([name]) => [name, { median: median(times[name]), best: best(times[name]) }])),
  ratio: {
    firstPost: median(times.snarkjs) / median(times.first),
    wholeProof: median(times.snarkjs) / median(times.badge),
    preparedPost: median(times.snarkjs) / median(times.post),
  },
};
console.log(`Chromium ${version}, ${rounds} rounds, milliseconds\n`);
console.log("| | median | best |\n|---|--:|--:|");
for (const [name, what] of rows) console.log(`| ${what} | ${median(times[name]).toFixed(0)} | ${best(times[name]).toFixed(0)} |`);
console.log(`\n${JSON.stringify(report)}`);

writeFileSync(join(folder, "bench.json"), `${JSON.stringify(report, null, 2)}\n`);
