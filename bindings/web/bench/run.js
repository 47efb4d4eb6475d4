// Measures proofs of this package and of snarkjs alternately, in one page of Chromium.
//
// FIXTURE             the output folder of `native make` QUOTAPASS_CHROMIUM  the browser; /usr/bin/chromium if it is
// not set ROUNDS              number of measurements of each; 7 if it is not set

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
const MODES = [["one", 1], ["all", undefined]];
const hashes = {};
for (const name of ["post", "badge", "record16", "record128"]) hashes[name] = await hash(`${name}.key`);
const server = await serve(folder, { isolated: true });
const browser = await chromium.launch({
  executablePath: process.env.QUOTAPASS_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
/** Opens the page in a new profile, which knows no log. */
async function open() {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(0);
  await page.addInitScript((hashes) => (window.hashes = hashes), hashes);
  await page.goto(`${server.url}/bench/page.html`);
  await page.waitForFunction(() => document.title === "ready");
  return page;
}
const page = await open();

const OURS = ["ready", "prepare", "post", "first", "badge", "verify"];
const times = Object.fromEntries(MODES.map(([mode]) => [mode, Object.fromEntries([...OURS, "snarkjs"].map((name) => [name, []]))]));
// One warm-up, for caches and compilers.
for (const [, threads] of MODES) await page.evaluate(async (threads) => (await window.ready(threads), await window.ours(1, threads)), threads);
await page.evaluate(() => window.theirs(1, true));
for (let round = 0; round < rounds; round++) {
  for (const [mode, threads] of MODES) {
    const of = times[mode];
    of.ready.push(await page.evaluate((threads) => window.ready(threads), threads));
    const ours = await page.evaluate((threads) => window.ours(1, threads), threads);
    for (const [name, measured] of Object.entries(ours)) of[name].push(...measured);
    of.snarkjs.push(...(await page.evaluate((single) => window.theirs(1, single), threads === 1)));
  }
}
// A profile for each measurement: it would refuse to go back to a shorter list.
const lists = JSON.parse(await readFile(join(folder, "lists.json"))).times;
const records = {};
for (const size of Object.keys(lists)) {
  server.log.state = `list-${size}`;
  records[size] = {};
  for (const [mode, threads] of MODES) {
    const page = await open();
    records[size][mode] = await page.evaluate(([rounds, threads, size]) => window.records(rounds, threads, size), [rounds, threads, size]);
    await page.context().close();
  }
}
const [version, threads] = [browser.version(), await page.evaluate(() => window.threads)];
await browser.close();
server.close();

const rows = [
  ["ready", "start to ready, keys in the cache"],
  ["prepare", "prepare for a room"],
  ["post", "post, prepared: reserve and prove"],
  ["first", "first post: prepare, reserve and prove"],
  ["badge", "badge: a whole proof, witness included"],
  ["verify", "verify a post"],
  ["snarkjs", "snarkjs: a whole proof of `post`, witness not included"],
];
const bytes = (path) => statSync(path).size;
const wasm = (name) => bytes(fileURLToPath(new URL(`../wasm/${name}`, import.meta.url)));
const report = {
  chromium: version,
  rounds,
  threads,
  bytes: {
    wasm: wasm("quotapass_web_bg.wasm"),
    wasmThreads: wasm("threads/quotapass_web_bg.wasm"),
    postKey: bytes(join(folder, "post.key")),
    postZkey: bytes(join(folder, "post.zkey")),
    record16Key: bytes(join(folder, "record16.key")),
    record128Key: bytes(join(folder, "record128.key")),
  },
  milliseconds: Object.fromEntries(MODES.map(([mode]) => [
    mode,
    Object.fromEntries(rows.map(([name]) => [name, { median: median(times[mode][name]), best: best(times[mode][name]) }])),
  ])),
  records: Object.fromEntries(Object.entries(records).map(([size, measured]) => [
    size,
    Object.fromEntries(MODES.map(([mode]) => {
      const { prepare, post, bytes } = measured[mode];
      return [mode, { prepare: median(prepare), post: median(post), bytes }];
    })),
  ])),
};
const milliseconds = (mode, name) => `${median(times[mode][name]).toFixed(0)} | ${best(times[mode][name]).toFixed(0)}`;
const ratio = (mode, name) =>
  ["first", "badge", "post"].includes(name) ? (median(times[mode].snarkjs) / median(times[mode][name])).toFixed(1) : "";
console.log(`Chromium ${version}, ${rounds} rounds, milliseconds, on one thread and on ${threads}\n`);
console.log("| | median | best | snarkjs / median | median | best | snarkjs / median |\n|---|--:|--:|--:|--:|--:|--:|");
for (const [name, what] of rows) {
  const columns = MODES.map(([mode]) => `${milliseconds(mode, name)} | ${ratio(mode, name)}`);
  console.log(`| ${what} | ${columns.join(" | ")} |`);
}
console.log("\n| list | bytes of a pass | prepare | post, prepared | of a post without records | prepare | post, prepared | of a post without records |");
console.log("|--:|--:|--:|--:|--:|--:|--:|--:|");
for (const [size, measured] of Object.entries(report.records)) {
  const columns = MODES.map(([mode]) => {
    const { prepare, post } = measured[mode];
    return `${prepare.toFixed(0)} | ${post.toFixed(0)} | ${(post / median(times[mode].post)).toFixed(2)}`;
  });
  console.log(`| ${size} | ${measured.one.bytes} | ${columns.join(" | ")} |`);
}
console.log(`\n${JSON.stringify(report)}`);
