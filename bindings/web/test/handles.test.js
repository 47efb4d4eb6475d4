// Tests of handles that are used with another client: of two identities, of a module that was started anew, after
// close(), and of another copy of the package.

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";

import * as quotapass from "@quotapass/web";

import { fails } from "./fails.js";
import { fixture, head, read, registry, source } from "./fixture.js";
import { MemoryLedgers } from "./memory-ledgers.js";

const { now } = fixture;
const room = quotapass.Room.fromPolicy(fixture, "lobby");
const keys = { post: read("post.key"), badge: read("badge.key") };
const chatKey = new Uint8Array(32);
const clients = [];
let mine, theirs;

/** A client with one object of each class, for a new identity that is the only member of its tree. */
async function world(copy = quotapass) {
  const { Identity, Ledger, Membership, Prover, start } = copy;
  const ledgers = new MemoryLedgers();
  const client = await start({ ledgers });
  clients.push(client);
  const identity = await Identity.generate(client);
  const account = await identity.account(registry);
  const member = { commitment: account.commitment(), stake: 100, messageLimit: 20, since: 20_803 };
  const membership = await Membership.fromList(client, { index: 0, commitment: member.commitment }, [member]);
  const prover = await Prover.load(client, keys);
  const prepared = await prover.prepare(account, membership, room, { now });
  const ledger = await Ledger.create(client, account, { history: "none" });
  return { copy, ledgers, client, identity, account, membership, prover, prepared, ledger, verifier: prover.verifier() };
}

/** Each call that takes a handle, made with objects of one client and one of another client. */
const mixed = ({ copy: { Ledger }, client, account, membership, prover, prepared, ledger }, other) => [
  () => Ledger.create(client, other.account, { history: "unknown", replace: true, now }),
  () => Ledger.open(client, other.account),
  () => ledger.quotaLeft(room, other.membership, { now }),
  () => prover.prepare(other.account, membership, room, { now }),
  () => prover.prepare(account, other.membership, room, { now }),
  () => prover.badge(other.account, membership, room, chatKey, { now }),
  () => prover.badge(account, other.membership, room, chatKey, { now }),
  () => prepared.update(other.membership),
  () => prepared.post("mixed", other.ledger, { now }),
];

/** Checks that each mixed call fails, and changes no ledger. */
async function refused(one, other, check = fails("other_client")) {
  const records = new Map(one.ledgers.records);
  for (const call of mixed(one, other)) await assert.rejects(call(), check, String(call));
  assert.deepEqual(one.ledgers.records, records);
}

/** Ends the module of a client, as a cancelled call does. The next call starts another one. */
async function restart({ client }) {
  const stopping = new AbortController();
  const options = { signal: stopping.signal, onProgress: () => stopping.abort() };
  await assert.rejects(quotapass.Prover.load(client, keys, options), fails("aborted"));
  assert.equal(client.threads, 0);
}

/** The calls of each handle, by its name. */
const uses = ({ copy: { Ledger }, client, identity, account, membership, prover, prepared, ledger, verifier }) => ({
  identity: [() => identity.mnemonic(), () => identity.account(registry)],
  account: [
    () => Ledger.create(client, account, { history: "unknown", replace: true }),
    () => Ledger.open(client, account),
    () => ledger.confirmCurrent(),
    () => ledger.quotaLeft(room, membership),
  ],
  membership: [
    () => membership.root(),
    () => membership.member(),
    () => membership.meeting(room),
    () => membership.sync(head, source()),
  ],
  prover: [
    () => prover.prepare(account, membership, room),
    () => prover.badge(account, membership, room, chatKey),
    () => verifier.verifyPost(room, "hello", fixture.posts[0].pass, [head.root]),
    () => verifier.verifyBadge(room, fixture.badge.pass, [head.root]),
  ],
  prepared: [() => prepared.root(), () => prepared.update(membership), () => prepared.post("hello", ledger)],
});

before(async () => {
  [mine, theirs] = [await world(), await world()];
});

after(() => {
  for (const client of clients) client.close();
});

test("a handle of another client is refused by every call, and nothing changes", async () => {
  await refused(mine, theirs);
  await refused(theirs, mine);
  // Now the two modules have different numbers too.
  await restart(mine);
  await refused(mine, theirs);
  await refused(theirs, mine);
  for (const { prepared, ledger } of [mine, theirs]) assert.equal((await prepared.post("mine", ledger, { now })).left, 4);
});

test("a handle that was closed, or whose client was, is refused too", async () => {
  const closed = await world();
  for (const [name, calls] of Object.entries(uses(closed))) {
    await closed[name].close();
    await closed[name].close();
    for (const call of calls) await assert.rejects(call(), fails("closed"), String(call));
  }
  await refused(mine, closed);

  // A hot reload starts a new client, and objects of the former one are still there.
  const left = await world();
  left.client.close();
  for (const call of Object.values(uses(left)).flat()) await assert.rejects(call(), fails("closed"), String(call));
  await refused(mine, left);
  for (const name of Object.keys(uses(left))) await left[name].close();
});

test("a handle of another copy of the package is refused", async (t) => {
  const [original, folder] = [fileURLToPath(new URL("..", import.meta.url)), mkdtempSync(join(tmpdir(), "quotapass-web-"))];
  t.after(() => rmSync(folder, { recursive: true }));
  for (const name of ["dist", "wasm", "package.json"]) cpSync(join(original, name), join(folder, name), { recursive: true });
  const other = await world(await import(pathToFileURL(join(folder, "dist/node.js"))));
  await refused(mine, other);
  await refused(other, mine, ({ code }) => code === "other_client");
});

test("a handle of another class is refused", async () => {
  const { account, membership, prover, identity, client } = mine;
  await assert.rejects(prover.prepare(membership, account, room, { now }), fails("invalid_argument"));
  await assert.rejects(quotapass.Ledger.open(client, identity), fails("invalid_argument"));
});

test("a ledger tells the quota of its own account in rooms of its own registry", async () => {
  const { client, identity, membership, ledger } = mine;
  const stranger = await identity.account(registry, 1);
  const member = { ...(await membership.member()), commitment: stranger.commitment() };
  const other = await quotapass.Membership.fromList(client, { index: 0, commitment: member.commitment }, [member]);
  await assert.rejects(ledger.quotaLeft(room, other, { now }), fails("other_member"));
  const at = (chainId) => new quotapass.Room({ ...registry, chainId }, room.policy);
  await assert.rejects(ledger.quotaLeft(at(1), membership, { now }), fails("invalid_argument"));
  const { epoch } = await ledger.quotaLeft(at(BigInt(registry.chainId)), membership, { now });
  assert.equal(epoch, 3_000_000);
});

test("close() waits for the earlier calls", async () => {
  const identity = await quotapass.Identity.generate(mine.client);
  const words = identity.mnemonic();
  await identity.close();
  assert.equal((await words).split(" ").length, 24);
  await assert.rejects(identity.mnemonic(), fails("closed"));
});
