// Tests of rooms with moderation, in Node.js: with a log that was made natively, and proofs that are verified natively.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Decrypter, generateIdentity, identityToRecipient } from "age-encryption";
import { FileLedgers, Identity, Ledger, Lists, Membership, Prover, Room, relayLog, start } from "@quotapass/web";
import { encryptReport } from "@quotapass/web/age";

import { fails } from "./fails.js";
import { LogFixture, fixture, head, own, read, registry, source, verifyNatively } from "./fixture.js";
import { MemoryLedgers } from "./memory-ledgers.js";

const { moderation } = fixture;
const { now } = moderation;
const room = Room.fromPolicy(fixture, "lounge");
const logs = [moderation.settings];
const keys = Object.fromEntries(["post", "author", "record16", "record128"].map((name) => [name, read(`${name}.key`)]));
let ledgers, client, account, membership, prover;

before(async () => {
  ledgers = new MemoryLedgers();
  client = await start({ ledgers });
  account = await (await Identity.fromMnemonic(client, fixture.mnemonic)).account(registry, 0);
  membership = await Membership.create(client, own);
  await membership.sync(head, source());
  prover = await Prover.load(client, keys);
});

after(() => client.close());

/** A client of its own, with nothing stored. */
function fresh(state) {
  ledgers.records.clear();
  const server = new LogFixture(state);
  return { server, open: (of = room) => Lists.open(client, of, logs, server) };
}

/** The record of the log, as text. */
const remembered = () => new TextDecoder().decode(ledgers.records.get(`log-${moderation.log}`));

test("a policy with moderation is read, hashed and pinned as relays do", async () => {
  assert.equal(await room.policyHash(), fixture.moderatedPolicyHash);
  assert.deepEqual(room.policy.stakeLevels, [10, 100]);
  assert.deepEqual(room.policy.moderation.lists, [{ log: moderation.log, limit: 128 }]);
  const [, scope] = fixture.scopes;
  // What a relay leaves out has the protocol's defaults, so the hash is the same.
  const { list_window, report_days, report_recipients, ...rest } = scope.moderation;
  const brief = Room.fromPolicy({ ...fixture, scopes: [{ ...scope, moderation: rest }] }, "lounge");
  assert.equal(await brief.policyHash(), fixture.moderatedPolicyHash);
  assert.equal(brief.confirmedBy(room), brief);
  for (const change of [{ report_days: 29 }, { hide_at: 3 }, { lists: [] }, { list_window: 1 }]) {
    const other = Room.fromPolicy({ ...fixture, scopes: [{ ...scope, moderation: { ...scope.moderation, ...change } }] }, "lounge");
    assert.notEqual(await other.policyHash(), fixture.moderatedPolicyHash);
    assert.throws(() => other.confirmedBy(room), fails("policy_differs"));
  }
});

test("a room of a pattern has the longest pattern's policy, under its own name", async () => {
  const [scope] = fixture.scopes;
  // The scopes of patterns are checked like those of rooms, and these are invented.
  const pattern = (name, limit_cap) => ({ ...scope, name, limit_cap });
  const document = { ...fixture, scopes: [pattern("room/*", 2), scope, pattern("room/hall/*", 3)] };
  assert.equal(Room.fromPolicy(document, "room/kitchen").policy.limitCap, 2);
  assert.equal(Room.fromPolicy(document, "room/hall/1").policy.limitCap, 3);
  assert.equal(Room.fromPolicy(document, "room/hall/1").policy.name, "room/hall/1");
  for (const name of ["room/", "room", "rooms/1"]) {
    assert.throws(() => Room.fromPolicy(document, name), fails("invalid_argument"));
  }
  await assert.rejects(prover.prepare(account, membership, Room.fromPolicy(document, "room/kitchen"), { now }), /do not trust this relay/);
  const free = new Room(registry, { ...room.policy, name: "room/kitchen", moderation: undefined });
  assert.equal(await (await prover.prepare(account, membership, free, { now })).root(), head.root);
});

test("a list is read from a cosigned log, and remembered before it is used", async () => {
  const { server, open } = fresh("first");
  const lists = await open();
  assert.equal(lists.state(), undefined);
  await assert.rejects(prover.prepare(account, membership, room, { lists, now }), fails("lists_missing"));
  const [state] = await lists.sync({ now });
  assert.equal(state.log, moderation.log);
  assert.equal(state.entries, 1);
  assert.deepEqual(lists.state(), [state]);
  assert.ok(JSON.parse(remembered()).checkpoint.includes(moderation.settings.origin));
  assert.ok(server.asked.includes("checkpoint"));

  // A storage that fails leaves no list in use.
  const { open: again } = fresh("first");
  const other = await again();
  ledgers.change = async () => {
    throw new Error("the disk is full");
  };
  try {
    await assert.rejects(other.sync({ now }), fails("storage_failed"));
  } finally {
    delete ledgers.change;
  }
  await assert.rejects(prover.prepare(account, membership, room, { lists: other, now }), fails("lists_missing"));
});

test("without the settings of its log, or with other witnesses, a list is not used", async () => {
  const { server } = fresh("first");
  await assert.rejects(Lists.open(client, room, [], server), fails("log_not_named"));
  const [log] = logs;
  const other = { ...log, origin: "elsewhere.example/moderation" };
  await assert.rejects(Lists.open(client, room, [other], server), fails("log_not_named"));
  const refused = (change) => assert.rejects(Lists.open(client, room, [{ ...log, ...change }], server), fails("invalid_argument"));
  await refused({ rootKey: "root" });
  await refused({ witnesses: ["x"] });
  await refused({ servers: [] });
  await refused({ required: 0 });
  await refused({ required: 2 });
  // The log's own root key is no witness.
  await refused({ witnesses: [log.rootKey] });
  // Attack: a checkpoint for one reader alone. The reader's own witness has not cosigned it.
  const lonely = await Lists.open(client, room, [{ ...log, witnesses: [moderation.otherWitness] }], server);
  await assert.rejects(lonely.sync({ now }), fails("log_refused"));
  // Much later the checkpoint is too old for a first contact.
  const late = await Lists.open(client, room, logs, server);
  await assert.rejects(late.sync({ now: now + 2 * 86_400 }), fails("log_refused"));
});

test("a log that shows two histories is refused with the proof, and one that goes back is too", async () => {
  const { server, open } = fresh("first");
  const lists = await open();
  await lists.sync({ now });
  const before = remembered();
  server.state = "forked";
  const proven = ({ checkpoints }) => {
    assert.ok(checkpoints.seen.startsWith(moderation.settings.origin));
    assert.notEqual(checkpoints.seen, checkpoints.shown);
  };
  await assert.rejects(lists.sync({ now }), fails("log_refused", proven));
  assert.equal(remembered(), before);
  server.state = "lifted";
  await lists.sync({ now });
  server.state = "first";
  await assert.rejects(lists.sync({ now }), fails("log_refused"));
  // Another start goes on from what is stored, and refuses it too.
  await assert.rejects((await Lists.open(client, room, logs, server)).sync({ now }), fails("log_refused"));
  ledgers.records.set(`log-${moderation.log}`, new TextEncoder().encode("{}"));
  await assert.rejects(Lists.open(client, room, logs, server), fails("log_memory_damaged"));
});

test("another tab that has read more is not set back", async () => {
  const { server, open } = fresh("first");
  const [one, other] = [await open(), await open()];
  await one.sync({ now });
  server.state = "own";
  await one.sync({ now });
  const later = remembered();
  // The other one still remembers nothing, and is shown an older state.
  server.state = "first";
  await assert.rejects(other.sync({ now }), fails("log_refused"));
  assert.equal(remembered(), later);
  server.state = "lifted";
  assert.equal((await other.sync({ now }))[0].entries, 1);
  assert.notEqual(remembered(), later);
  // A record that was cleared in the meantime is written again, and the reader goes on.
  ledgers.records.clear();
  server.state = "long";
  await other.sync({ now });
  assert.ok(remembered().includes(moderation.settings.origin));
  server.state = "lifted";
  await assert.rejects(other.sync({ now }), fails("log_refused"));
});

test("servers that fail are passed over", async () => {
  fresh("first");
  const [log] = logs;
  const servers = { "https://silent.example": null, "https://old.example": "first", "https://good.example": "lifted" };
  const asked = [];
  const connect = (address) => {
    asked.push(address);
    return new LogFixture(servers[address]).connect();
  };
  const settings = [{ ...log, servers: Object.keys(servers).map((address) => new URL(address).origin) }];
  const lists = await Lists.open(client, room, settings, { connect });
  assert.equal((await lists.sync({ now }))[0].entries, 1);
  assert.deepEqual(asked, Object.keys(servers));
  // The first server that answers is behind now, and the next one is asked.
  servers["https://old.example"] = "first";
  const newest = await Lists.open(client, room, [{ ...log, servers: ["https://good.example"] }], { connect });
  const { size } = (await newest.sync({ now }))[0];
  assert.equal((await lists.sync({ now }))[0].size, size);
  const none = await Lists.open(client, room, [{ ...log, servers: ["https://silent.example"] }], { connect });
  await assert.rejects(none.sync({ now }), /no network/);
});

test("a relay's answers are limited, and its address shows no password", async () => {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    if (pathname.endsWith("/missing")) return response.writeHead(404).end();
    if (pathname.endsWith("/broken")) return response.writeHead(500).end();
    response.end(pathname);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${server.address().port}`;
  try {
    const log = relayLog(`${address}/`);
    const bytes = await log.fetch("ab", "tile/0/000");
    assert.equal(new TextDecoder().decode(bytes), "/v1/moderation/ab/tile/0/000");
    assert.equal(await log.fetch("ab", "missing"), null);
    await assert.rejects(log.fetch("ab", "broken"), fails("source_failed"));
  } finally {
    server.close();
  }
  const hides = (error) => assert.doesNotMatch(error.message, /secret/);
  await assert.rejects(relayLog("http://me:secret@127.0.0.1:1").fetch("ab", "checkpoint"), fails("source_failed", hides));
});

test("posts carry records, which are accepted here and natively", async () => {
  const { open } = fresh("first");
  const lists = await open();
  await lists.sync({ now });
  const ledger = await Ledger.create(client, account, { history: "none" });
  const progress = [];
  const prepared = await prover.prepare(account, membership, room, { lists, now, onProgress: (step) => progress.push(step) });
  assert.deepEqual(progress, [{ list: 0, lists: 1, entries: 1 }, { list: 1, lists: 1, entries: 0 }]);
  const post = await prepared.post("hello", ledger, { now });
  assert.deepEqual([post.pass.length, post.pass[1]], [246 + 1 + 25 + 128, 3]);
  assert.match(post.entry.nullifier, /^[0-9a-f]{64}$/);
  assert.equal(`0x${post.entry.nullifier}`, post.nullifier);
  const line = { message: "hello", pass: post.text, root: head.root, now, state: "first" };
  assert.deepEqual(verifyNatively([line, { ...line, message: "hullo" }, { ...line, state: "lifted" }]), [
    "accepted",
    "invalid_proof",
    "list_mismatch",
  ]);
  const verifier = prover.verifier();
  const verdict = async (options) => (await verifier.verifyPost(room, "hello", post.pass, [head.root], { now, ...options })).verdict;
  assert.equal(await verdict({ lists }), "accepted");
  // Without lists nothing is accepted in this room, with or without records.
  assert.equal(await verdict({}), "list_mismatch");
  const bare = new Room(registry, { ...room.policy, moderation: undefined });
  const alone = await (await prover.prepare(account, membership, bare, { now })).post("bare", ledger, { now });
  assert.equal((await verifier.verifyPost(room, "bare", alone.pass, [head.root], { now, lists })).verdict, "list_mismatch");
  const tampered = post.pass.slice();
  tampered.set(post.pass.subarray(118, 246), tampered.length - 128);
  assert.equal((await verifier.verifyPost(room, "hello", tampered, [head.root], { now, lists })).verdict, "invalid_proof");
  await assert.rejects(prover.prepare(account, membership, room, { now }), fails("lists_missing"));
  // Another room of the same log lists other posts.
  const elsewhere = new Room(registry, { ...room.policy, name: "lobby" });
  await assert.rejects(prover.prepare(account, membership, elsewhere, { lists, now }), fails("invalid_argument"));
  await assert.rejects(verifier.verifyPost(elsewhere, "hello", post.pass, [head.root], { now, lists }), fails("invalid_argument"));
});

test("a superseded list is accepted within the room's window", async () => {
  const { server, open } = fresh("first");
  const [author, reader] = [await open(), await open()];
  await author.sync({ now });
  await reader.sync({ now });
  const ledger = await Ledger.create(client, account, { history: "none" });
  const { pass } = await (await prover.prepare(account, membership, room, { lists: author, now })).post("late", ledger, { now });
  server.state = "lifted";
  await reader.sync({ now });
  const { listWindow } = room.policy.moderation;
  const verdict = async (pass, message, later) => {
    const options = { now: now + later, lists: reader };
    return (await prover.verifier().verifyPost(room, message, pass, [head.root], options)).verdict;
  };
  assert.equal(await verdict(pass, "late", 0), "accepted");
  // The author still has the old list when the window is over.
  const prepared = await prover.prepare(account, membership, room, { lists: author, now });
  const later = await prepared.post("too late", ledger, { now: now + listWindow + 1 });
  assert.equal(await verdict(later.pass, "too late", listWindow + 1), "list_mismatch");
});

test("a struck member learns it before a message is sent: which post, why, until when, and where to appeal", async () => {
  const { server, open } = fresh("first");
  const lists = await open();
  await lists.sync({ now });
  assert.deepEqual(await lists.strikes(account), []);
  const quiet = server.asked.length;
  assert.deepEqual(await lists.strikes(account), []);
  assert.equal(server.asked.length, quiet, "a member who is not struck fetches nothing");
  const ledger = await Ledger.create(client, account, { history: "none" });
  const prepared = await prover.prepare(account, membership, room, { lists, now });

  server.state = "own";
  const told = ({ strikes, message }) => {
    assert.equal(strikes.length, 1);
    const [{ origin, log, servers, details }] = strikes;
    assert.deepEqual([origin, log, servers], [moderation.settings.origin, moderation.log, moderation.settings.servers]);
    assert.equal(details.id, moderation.strike);
    assert.equal(details.scope, "lounge");
    assert.equal(details.reason, "spam");
    assert.deepEqual(details.ground, { kind: "incompatible", reference: "rule 3" });
    assert.equal(details.until, moderation.until);
    assert.equal(details.text, moderation.text);
    assert.deepEqual([details.automatedDetection, details.automatedDecision], [true, false]);
    assert.match(message, /appeal/);
  };
  await assert.rejects(prepared.refresh({ now }), fails("struck", told));
  await assert.rejects(prover.prepare(account, membership, room, { lists, now }), fails("struck", told));
  const [strike] = await lists.strikes(account);
  // No other account is struck by it.
  const stranger = await (await Identity.generate(client)).account(registry);
  assert.deepEqual(await lists.strikes(stranger), []);

  // If the log cannot be reached, the strike is known all the same, without its reasons.
  server.state = null;
  assert.equal((await lists.strikes(account))[0].details, null);
  server.state = "own";

  const appeal = await prover.appeal(account, room, strike, "It was not an advertisement.", { now });
  assert.deepEqual([appeal.kind, appeal.scope, appeal.text], ["appeal", "lounge", "It was not an advertisement."]);
  assert.deepEqual(verifyNatively([appeal, { ...appeal, text: "It was." }]), ["accepted", "invalid_proof"]);
  await assert.rejects(prover.appeal(stranger, room, strike, "Let them write.", { now }), fails("not_the_author"));
  await assert.rejects(prover.appeal(account, room, strike, "x".repeat(4_001), { now }), fails("invalid_argument"));

  server.state = "lifted";
  await prepared.refresh({ now });
  const post = await prepared.post("I can write again", ledger, { now });
  const line = { message: "I can write again", pass: post.text, root: head.root, now, state: "lifted" };
  assert.deepEqual(verifyNatively([line]), ["accepted"]);
});

test("on list_mismatch the list is read again, and the same message is sent once more with the same id", async () => {
  const { server, open } = fresh("first");
  const lists = await open();
  await lists.sync({ now });
  const ledger = await Ledger.create(client, account, { history: "none" });
  const prepared = await prover.prepare(account, membership, room, { lists, now });
  server.state = "lifted";
  const sent = [];
  const relay = async (post) => {
    sent.push(post);
    const [verdict] = verifyNatively([{ message: "hello", pass: post.text, root: head.root, now, state: "lifted" }]);
    return { verdict, post };
  };
  const { verdict } = await prepared.send("hello", ledger, relay, { now });
  assert.equal(verdict, "accepted");
  assert.equal(sent.length, 2);
  assert.equal(sent[0].nullifier, sent[1].nullifier);
  assert.deepEqual(sent[0].entry, sent[1].entry);
  assert.equal((await ledger.quotaLeft(room, membership, { now })).used, 1);

  // A relay that does not know the list either is not asked for ever.
  let times = 0;
  const answer = await prepared.send("once more", ledger, async () => ({ verdict: "list_mismatch", times: ++times }), { now });
  assert.deepEqual(answer, { verdict: "list_mismatch", times: 2 });
  // Another message has another id.
  assert.notEqual((await prepared.post("another", ledger, { now })).nullifier, sent[0].nullifier);
  assert.equal((await ledger.quotaLeft(room, membership, { now })).used, 3);
});

test("the key of record128 is fetched only for a list that needs it", async () => {
  const { server, open } = fresh("first");
  const { record128, ...without } = keys;
  const small = await Prover.load(client, without);
  const lists = await open();
  await lists.sync({ now });
  const ledger = await Ledger.create(client, account, { history: "none" });
  const prepared = await small.prepare(account, membership, room, { lists, now });
  server.state = "long";
  await assert.rejects(prepared.refresh({ now }), fails("no_key"));
  const progress = [];
  const large = await Prover.load(client, keys, { onProgress: ({ circuit, step }) => progress.push(`${circuit} ${step}`) });
  assert.ok(!progress.some((step) => step.startsWith("record")));
  const long = await large.prepare(account, membership, room, { lists, now });
  assert.ok(progress.includes("record128 reading") && progress.includes("record16 reading"));
  const post = await long.post("among many", ledger, { now });
  const line = { message: "among many", pass: post.text, root: head.root, now, state: "long" };
  assert.deepEqual(verifyNatively([line]), ["accepted"]);
  const none = await Prover.load(client, { post: keys.post });
  await assert.rejects(none.prepare(account, membership, room, { lists, now }), fails("no_key"));
});

test("a higher stake level is proved if asked for, and counts fewer members", async () => {
  const { open } = fresh("first");
  const lists = await open();
  await lists.sync({ now });
  const ledger = await Ledger.create(client, account, { history: "none" });
  const rich = await prover.prepare(account, membership, room, { lists, now, stake: 100 });
  const { pass } = await rich.post("with stake", ledger, { now });
  const verdict = await prover.verifier().verifyPost(room, "with stake", pass, [head.root], { now, lists });
  assert.deepEqual([verdict.verdict, verdict.requirement.minStake], ["accepted", 100]);
  assert.equal(await membership.meeting(room, { now, stake: 100 }), fixture.meeting);
  for (const stake of [11, -1, 2 ** 32, 1.5]) {
    await assert.rejects(prover.prepare(account, membership, room, { lists, now, stake }), fails("invalid_argument"));
    await assert.rejects(membership.meeting(room, { now, stake }), fails("invalid_argument"));
  }
});

test("an author deletes its own post, and no other", async () => {
  const { open } = fresh("first");
  const lists = await open();
  await lists.sync({ now });
  const ledger = await Ledger.create(client, account, { history: "none" });
  const { entry } = await (await prover.prepare(account, membership, room, { lists, now })).post("oops", ledger, { now });
  const deletion = await prover.deletion(account, room, entry, { now });
  assert.deepEqual(Object.keys(deletion).sort(), ["entry", "kind", "proof", "scope", "time"]);
  assert.deepEqual(verifyNatively([deletion, { ...deletion, time: "2027-01-15T08:00:00Z" }]), ["accepted", "invalid_proof"]);
  const stranger = await (await Identity.generate(client)).account(registry);
  await assert.rejects(prover.deletion(stranger, room, entry, { now }), fails("not_the_author"));
  await assert.rejects(prover.deletion(account, room, { ...entry, x: "00".repeat(32) }, { now }), fails("invalid_argument"));
  const postsOnly = await Prover.load(client, { post: keys.post });
  await assert.rejects(postsOnly.deletion(account, room, entry, { now }), fails("no_key"));
});

test("a report binds its body, and is encrypted to the room's recipients", async () => {
  const { open } = fresh("first");
  const lists = await open();
  await lists.sync({ now });
  const nullifier = "11".repeat(31).padStart(64, "0");
  const report = (body, options = {}, of = room) => prover.report(account, membership, of, nullifier, body, { lists, now, ...options });
  const made = await report({ reason: "spam" });
  assert.equal(Buffer.from(made.body, "base64url").toString(), '{"reason":"spam"}');
  const line = { report: made, root: head.root, now, state: "first" };
  const other = { ...made, body: Buffer.from('{"reason":"hate"}').toString("base64url") };
  assert.deepEqual(verifyNatively([line, { ...line, report: other }]), ["accepted", "invalid_proof"]);
  // A second report of the same member has the same share: a replay, and no offence.
  const again = await report({ reason: "hate" });
  const share = ({ pass }) => Buffer.from(pass, "base64url").subarray(0, 118).toString("hex");
  assert.equal(share(again), share(made));

  // Without recipients a comment would be public.
  await assert.rejects(report({ reason: "spam", comment: "look" }), fails("report_refused"));
  await assert.rejects(report({ reason: "spam" }, { lists: undefined }), fails("lists_missing"));
  const silent = new Room(registry, { ...room.policy, moderation: { ...room.policy.moderation, reportDays: 0 } });
  await assert.rejects(report({ reason: "spam" }, {}, silent), fails("report_refused"));

  const identity = await generateIdentity();
  const recipient = await identityToRecipient(identity);
  const policy = { ...room.policy, moderation: { ...room.policy.moderation, reportRecipients: [recipient] } };
  const sealedRoom = new Room(registry, policy);
  const body = { reason: "harassment", comment: "every day", message: new Uint8Array([255, 0]), pass: new Uint8Array(246).fill(7) };
  await assert.rejects(report(body, {}, sealedRoom), fails("report_refused"));
  const plain = async (bytes) => bytes;
  await assert.rejects(report(body, { encrypt: plain }, sealedRoom), fails("report_refused"));
  const sealed = await report(body, { encrypt: encryptReport }, sealedRoom);
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  const opened = JSON.parse(new TextDecoder().decode(await decrypter.decrypt(new Uint8Array(Buffer.from(sealed.body, "base64url")))));
  assert.deepEqual(opened, { reason: "harassment", comment: "every day", message_hex: "ff00", pass: Buffer.from(body.pass).toString("base64url") });
  // Such content is not sent on.
  const csam = { reason: "csam", message: "x" };
  await assert.rejects(report(csam, { encrypt: encryptReport }, sealedRoom), fails("report_refused"));
});

test("files remember a log, in the folder of ledgers", async () => {
  const folder = mkdtempSync(join(tmpdir(), "quotapass-lists-"));
  const server = new LogFixture("own");
  try {
    const [one, other] = [await start({ ledgers: new FileLedgers(folder) }), await start({ ledgers: new FileLedgers(folder) })];
    await (await Lists.open(one, room, logs, server)).sync({ now });
    server.state = "first";
    await assert.rejects((await Lists.open(other, room, logs, server)).sync({ now }), fails("log_refused"));
    one.close();
    other.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
