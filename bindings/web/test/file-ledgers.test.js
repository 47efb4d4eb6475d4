// Tests of the ledgers in a folder, for Node.js: processes that share it, processes that are killed, and a slow process.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";

import { FileLedgers, Identity, Ledger, Membership, Prover, Room, start } from "@quotapass/web/node";

import { next, read as readNumber } from "./counter.js";
import { fails } from "./fails.js";
import { fixture, head, own, read, registry, source, verifyNatively } from "./fixture.js";

const COUNTING = fileURLToPath(new URL("counting-process.js", import.meta.url));
const OWNER = "0123456789abcdef";
const { now } = fixture;

/** An empty folder, which is removed after the test. */
function folder(t) {
  const path = mkdtempSync(join(tmpdir(), "quotapass-ledgers-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Starts a process that counts. `ended` gives the numbers that it printed. */
function counting(folder, times) {
  const child = spawn(process.execPath, [COUNTING, folder, OWNER, ...(times === undefined ? [] : [String(times)])], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (part) => (text += part));
  const begun = new Promise((resolve) => child.stdout.once("data", resolve));
  const ended = new Promise((resolve) => child.once("close", (code) => resolve({ code, numbers: complete(text) })));
  return { child, begun, ended };
}

/** The numbers on complete lines. */
function complete(text) {
  return text.split("\n").slice(0, -1).map(Number);
}

test("a change is kept, and one that throws leaves the record as it was", async (t) => {
  const path = join(folder(t), "made/by/the/ledger");
  const ledgers = new FileLedgers(pathToFileURL(path));
  assert.equal(await ledgers.change(OWNER, readNumber), 0);
  assert.equal(await ledgers.change(OWNER, next), 1);
  assert.equal(await new FileLedgers(path).change(OWNER, next), 2);
  await assert.rejects(
    ledgers.change(OWNER, () => {
      throw new Error("refused");
    }),
    /refused/,
  );
  assert.equal(await ledgers.change(OWNER, readNumber), 2);
  assert.equal(await ledgers.change("another", next), 1);
  assert.equal(await ledgers.persist(), true);
  await assert.rejects(ledgers.change("../elsewhere", next), /cannot be the name/);
  if (process.platform !== "win32") {
    assert.equal(statSync(path).mode & 0o777, 0o700);
    assert.equal(statSync(join(path, `${OWNER}.2`)).mode & 0o777, 0o600);
  }
});

test("only the newest versions stay, and nothing that a killed process has left", async (t) => {
  const path = folder(t);
  const ledgers = new FileLedgers(path);
  const [left, fresh] = ["left", "fresh"].map((name) => join(path, `${OWNER}.${name}.tmp`));
  for (const name of [left, fresh]) writeFileSync(name, "part of a record");
  const yesterday = Date.now() / 1000 - 90_000;
  utimesSync(left, yesterday, yesterday);
  for (let number = 1; number <= 100; number++) assert.equal(await ledgers.change(OWNER, next), number);
  const numbers = readdirSync(path).filter((name) => !name.endsWith(".tmp")).map((name) => Number(name.split(".")[1]));
  assert.deepEqual(numbers.sort((a, b) => a - b), Array.from({ length: 16 }, (_, index) => 85 + index));
  assert.deepEqual(readdirSync(path).filter((name) => name.endsWith(".tmp")), [`${OWNER}.fresh.tmp`]);
});

test("processes that change one record exclude each other", async (t) => {
  const path = folder(t);
  const results = await Promise.all([1, 2, 3].map(() => counting(path, 100).ended));
  assert.deepEqual(results.map(({ code }) => code), [0, 0, 0]);
  const numbers = results.flatMap(({ numbers }) => numbers);
  assert.equal(numbers.length, 300);
  assert.equal(new Set(numbers).size, 300, "no number was given twice");
  assert.ok((await new FileLedgers(path).change(OWNER, readNumber)) >= 300);
});

test("processes that are killed repeat no number and lose none that they printed", async (t) => {
  const path = folder(t);
  const printed = [];
  for (let kill = 0; kill < 20; kill++) {
    const pair = [counting(path), counting(path)];
    await Promise.all(pair.map(({ begun }) => begun));
    await pause(Math.random() * 20);
    for (const { child } of pair) child.kill("SIGKILL");
    for (const { numbers } of await Promise.all(pair.map(({ ended }) => ended))) printed.push(...numbers);
  }
  assert.ok(printed.length >= 20, "the processes got to count");
  assert.equal(new Set(printed).size, printed.length, "no number was printed twice");
  assert.ok((await new FileLedgers(path).change(OWNER, readNumber)) >= Math.max(...printed));
});

test("a process that stalls before it writes counts again from the newest number", async (t) => {
  const path = folder(t);
  const [slow, fast] = [new FileLedgers(path), new FileLedgers(path)];
  assert.equal(await fast.change(OWNER, next), 1);
  // Meanwhile the other one goes so far that the number of the slow one is free again.
  const { link } = fs;
  const stalled = t.mock.method(fs, "link", async (...paths) => {
    stalled.mock.restore();
    for (let number = 2; number <= 60; number++) assert.equal(await fast.change(OWNER, next), number);
    return link(...paths);
  });
  assert.equal(await slow.change(OWNER, next), 61);
  assert.equal(await fast.change(OWNER, next), 62);
});

test("a disk that fails gives out nothing and leaves the record as it was", async (t) => {
  const path = folder(t);
  const ledgers = new FileLedgers(path);
  assert.equal(await ledgers.change(OWNER, next), 1);
  const full = t.mock.method(fs, "link", async () => {
    throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
  });
  await assert.rejects(ledgers.change(OWNER, next), /no space/);
  full.mock.restore();
  assert.deepEqual(readdirSync(path), [`${OWNER}.1`]);
  assert.equal(await ledgers.change(OWNER, next), 2);
});

test("a client posts from it, and continues after a restart", async (t) => {
  const path = folder(t);
  const room = Room.fromPolicy(fixture, "lobby");
  const session = async (open, message) => {
    const client = await start({ ledgers: new FileLedgers(path) });
    const account = await (await Identity.fromMnemonic(client, fixture.mnemonic)).account(registry);
    const membership = await Membership.create(client, own);
    await membership.sync(head, source());
    const prover = await Prover.load(client, { post: read("post.key") });
    const prepared = await prover.prepare(account, membership, room, { now });
    const ledger = await open(client, account);
    const post = await prepared.post(message, ledger, { now });
    client.close();
    return { ...post, message, persisted: ledger.persisted };
  };
  const first = await session((client, account) => Ledger.create(client, account, { history: "none" }), "first");
  const second = await session((client, account) => Ledger.open(client, account), "second");
  assert.deepEqual([first.left, second.left, first.persisted], [4, 3, true]);
  assert.notEqual(first.nullifier, second.nullifier);
  const lines = [first, second].map(({ message, text }) => ({ message, pass: text, root: fixture.root, now }));
  assert.deepEqual(verifyNatively(lines), ["accepted", "accepted"]);

  // A folder that is a file, as an example of a storage that cannot be used.
  const client = await start({ ledgers: new FileLedgers(join(path, readdirSync(path)[0])) });
  const account = await (await Identity.fromMnemonic(client, fixture.mnemonic)).account(registry);
  await assert.rejects(Ledger.open(client, account), fails("storage_failed"));
  client.close();
});

test("the WebAssembly comes from bytes or a path, and a missing file is explained", async () => {
  const url = new URL("../wasm/quotapass_web_bg.wasm", import.meta.url);
  const wrapped = new Uint8Array(readFileSync(url));
  for (const wasm of [url, fileURLToPath(url), wrapped]) {
    const client = await start({ wasm });
    const identity = await Identity.fromMnemonic(client, fixture.mnemonic);
    assert.equal((await identity.account(registry)).commitment(), fixture.commitment);
    client.close();
  }
  await assert.rejects(start({ wasm: "/nowhere.wasm" }), fails("start_failed", ({ message }) => assert.match(message, /pass the file's bytes/)));
});
