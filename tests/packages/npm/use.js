// A program that depends on the npm package. `cargo xtask release npm --test` installs the archive beside it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { Identity, start } from "@quotapass/web";

const words = "abandon ".repeat(23) + "art";
const registry = { chainId: 31_337, address: "0x" + "11".repeat(20) };

const client = await start();
const identity = await Identity.fromMnemonic(client, words);
assert.equal(await identity.mnemonic(), words);
const [first, second] = [await identity.account(registry, 0), await identity.account(registry, 1)];
assert.notEqual(first.commitment(), second.commitment());
assert.equal(first.commitment(), (await identity.account(registry, 0)).commitment());
await assert.rejects(Identity.fromMnemonic(client, words.replace("art", "able")), "a wrong checksum");
client.close();

// What a bundler needs for a browser.
for (const name of ["worker.js", "quotapass_web_bg.wasm", "threads/quotapass_web_bg.wasm"]) {
  const content = await readFile(fileURLToPath(import.meta.resolve(`@quotapass/web/${name}`)));
  assert.ok(content.length > 0, name);
}
for (const name of ["index.d.ts", "node.d.ts"]) {
  const types = new URL(name, import.meta.resolve("@quotapass/web/node"));
  assert.ok((await readFile(types)).length > 0, name);
}
console.log("the npm package works");
