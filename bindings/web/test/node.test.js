// Tests of the whole package in Node.js, against native proofs, and the reverse.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";

import { Identity, Ledger, Membership, PreparedProver, Prover, QuotapassError, Room, Verifier, relayMembers, start } from "@quotapass/web";

import { fails } from "./fails.js";
import { fixture, head, own, read, registry, source, verifyNatively } from "./fixture.js";
import { MemoryLedgers } from "./memory-ledgers.js";

const { now } = fixture;
const room = Room.fromPolicy(fixture, "lobby");
const ledgers = new MemoryLedgers();
const keys = { post: read("post.key"), badge: read("badge.key") };
let client, identity, account, membership, prover, verifier;

before(async () => {
  client = await start({ ledgers });
  identity = await Identity.fromMnemonic(client, fixture.mnemonic);
  account = await identity.account(registry, 0);
  membership = await Membership.create(client, own);
  await membership.sync(head, source());
  prover = await Prover.load(client, keys);
  verifier = prover.verifier();
});

after(() => client.close());

test("keys load while the module starts", async () => {
  const starting = start({ ledgers: new MemoryLedgers() });
  const loaded = await Prover.load(starting, keys);
  assert.equal(loaded.origin, prover.origin);
  assert.equal(loaded.isDevelopment, prover.isDevelopment);
  (await starting).close();
  await assert.rejects(loaded.verifier().verifyPost(room, "", new Uint8Array(246), []), fails("closed"));
  // A module that does not start is the error of the load.
  await assert.rejects(Prover.load(Promise.reject(new QuotapassError("start_failed", "there is no module")), keys), fails("start_failed"));
});

/** A new ledger for each test: the old records are removed. */
function freshLedger(options = { history: "none" }) {
  ledgers.records.clear();
  return Ledger.create(client, account, options);
}

test("a mnemonic is the backup of an identity, and accounts differ", async () => {
  assert.equal(await identity.mnemonic(), fixture.mnemonic);
  assert.equal(account.commitment(), fixture.commitment);
  const other = await identity.account(registry, 1);
  const elsewhere = await identity.account({ ...registry, chainId: 2n ** 60n }, 0);
  assert.equal(new Set([account, other, elsewhere].map((account) => account.commitment())).size, 3);

  const generated = await Identity.generate(client);
  const words = await generated.mnemonic();
  assert.equal(words.split(" ").length, 24);
  const again = await Identity.fromMnemonic(client, `\ufeff  ${words.toUpperCase().replaceAll(" ", "\u200b \u00a0")} `);
  assert.equal((await again.account(registry)).commitment(), (await generated.account(registry)).commitment());
});

test("words that are no mnemonic are refused", async () => {
  const refused = (words) => assert.rejects(Identity.fromMnemonic(client, words), fails("invalid_mnemonic"));
  await refused("");
  await refused("abandon art");
  await refused(fixture.mnemonic.replace("abandon", "abandom"));
  await refused(fixture.mnemonic.replace("art", "able"));
});

test("a sync asks for the group of buckets, and for nothing that it knows", async () => {
  const fresh = await Membership.create(client, own);
  await assert.rejects(fresh.member(), fails("never_synced"));
  assert.equal(await fresh.root(), null);
  const relay = source();
  // The last bucket is not full, so it is requested together with the one before.
  assert.deepEqual(await fresh.sync(head, relay), { asked: [0, 1], hiddenAmong: head.memberCount });
  assert.deepEqual(relay.asked, ["upper", 0, 1]);
  assert.equal(await fresh.root(), head.root);
  assert.deepEqual(await fresh.member(), { commitment: own.commitment, stake: 100, messageLimit: 20, since: 20_803 });

  const cached = await Membership.fromBytes(client, fresh.toBytes());
  assert.equal((await cached.sync(head, relay)).asked, null);
  assert.equal(relay.asked.length, 3);
});

test("a tree other than the chain's is refused, and what was known is kept", async () => {
  const fresh = await Membership.fromBytes(client, membership.toBytes());
  const sync = (change, relay = source()) => fresh.sync({ ...head, ...change }, relay);
  await assert.rejects(sync({ root: own.commitment }), fails("not_the_chains"));
  await assert.rejects(sync({ memberCount: 2_101 }), fails("not_the_chains"));
  await assert.rejects(sync({ memberCount: 5 }), fails("not_yet"));
  await assert.rejects(sync({ root: "0x12" }), fails("invalid_argument"));
  await assert.rejects(sync({ memberCount: -1 }), fails("invalid_argument"));
  const garbage = { ...source(), upperNodes: async () => new Uint8Array(100) };
  await assert.rejects(sync({ memberCount: 2_099 }, garbage), fails("malformed"));
  const swapped = { ...source(), bucket: async () => read("bucket-0.bin") };
  const unsynced = await Membership.create(client, own);
  await assert.rejects(unsynced.sync(head, swapped), fails("not_the_chains"));
  assert.equal(await fresh.root(), head.root);

  const another = await Membership.create(client, { ...own, index: 3 });
  await another.sync(head, source());
  await assert.rejects(another.member(), fails("other_member"));
});

test("a source that is behind is asked again if the head can be read again", async () => {
  const fresh = await Membership.create(client, own);
  const heads = [{ ...head, root: own.commitment }, { ...head, memberCount: 5 }, head];
  const read = async () => heads.shift();
  assert.equal((await fresh.sync(read, source())).hiddenAmong, head.memberCount);
  assert.deepEqual([await fresh.root(), heads.length], [head.root, 0]);

  const behind = async () => ({ ...head, root: own.commitment });
  await assert.rejects(fresh.sync(behind, source(), { patience: 0 }), fails("not_the_chains"));
  const stop = new AbortController();
  const stopped = fresh.sync(async () => (stop.abort(), behind()), source(), { signal: stop.signal });
  await assert.rejects(stopped, fails("aborted"));
  const broken = async () => {
    throw new Error("the endpoint does not answer");
  };
  await assert.rejects(fresh.sync(broken, source()), /does not answer/);
});

test("a membership comes from a list too", async () => {
  const member = { commitment: own.commitment, stake: 100, messageLimit: 2, since: 20_000 };
  const other = { ...member, commitment: `0x${"0".repeat(63)}1` };
  const listed = await Membership.fromList(client, { ...own, index: 2 }, [other, null, member]);
  assert.deepEqual(await listed.member(), member);
  await assert.rejects(Membership.fromList(client, own, [{ ...member, messageLimit: 0 }]), fails("invalid_argument"));
  await assert.rejects(Membership.fromList(client, own, [{ ...member, stake: 1.5 }]), fails("invalid_argument"));
});

test("bytes that are no membership are refused", async () => {
  const good = membership.toBytes();
  const bad = good.slice();
  bad[bad.length >> 1] ^= 1;
  for (const bytes of [new Uint8Array(), good.subarray(1), good.subarray(0, 100), bad, new Uint8Array(1_000).fill(255)]) {
    await assert.rejects(Membership.fromBytes(client, bytes), fails("malformed"));
  }
});

test("messages show no password of an address", async () => {
  const hides = (error) => assert.doesNotMatch(error.message, /secret/);
  const address = "http://me:secret@127.0.0.1:1";
  await assert.rejects(relayMembers(address).upperNodes(), fails("source_failed", hides));
  const post = { url: `${address}/post.key?token=secret`, sha256: "33".repeat(32) };
  await assert.rejects(Prover.load(client, { post }), fails("fetch_failed", hides));
});

test("keys are used if they are trusted, and no others", async () => {
  assert.equal(prover.isDevelopment, true);
  assert.match(prover.origin, /INSECURE/);
  const bad = keys.post.slice();
  bad[5_000] ^= 1;
  await assert.rejects(Prover.load(client, { post: bad }), fails("invalid_key"));
  await assert.rejects(Prover.load(client, { post: keys.badge }), fails("invalid_key"));
  await assert.rejects(Prover.load(client, { post: new Uint8Array() }), fails("invalid_key"));
  await assert.rejects(Prover.load(client, { post: keys.post }, { trusted: ["11".repeat(32)] }), fails("untrusted_key"));
  await assert.rejects(Prover.load(client, { post: keys.post }, { trusted: ["xyz"] }), fails("invalid_argument"));
});

test("posts to the limit are accepted here and natively, and the next one waits", async () => {
  const ledger = await freshLedger();
  const prepared = await prover.prepare(account, membership, room, { now });
  assert.equal(await prepared.root(), head.root);
  const posts = [];
  for (let sent = 0; sent < 5; sent++) {
    const { left, epoch, epochSeconds } = await ledger.quotaLeft(room, membership, { now });
    assert.deepEqual([left, epoch, epochSeconds], [5 - sent, 3_000_000, 600]);
    const post = await prepared.post(`message ${sent}`, ledger, { now });
    assert.deepEqual([post.left, post.pass.length, post.root], [4 - sent, 246, head.root]);
    posts.push({ ...post, message: `message ${sent}` });
  }
  const nextBegins = ({ nextBegins }) => assert.equal(nextBegins, now + 600);
  await assert.rejects(prepared.post("one more", ledger, { now }), fails("quota_used", nextBegins));

  for (const { message, pass, text, nullifier } of posts) {
    for (const form of [pass, text]) {
      const verdict = await verifier.verifyPost(room, message, form, [head.root], { now });
      assert.deepEqual([verdict.verdict, verdict.gossip, verdict.nullifier], ["accepted", "accept", nullifier]);
    }
  }
  assert.equal(new Set(posts.map(({ nullifier }) => nullifier)).size, 5);
  const lines = posts.map(({ message, text }) => ({ message, pass: text, root: head.root, now }));
  assert.deepEqual(verifyNatively([...lines, { ...lines[0], message: "another" }]), [
    ...lines.map(() => "accepted"),
    "invalid_proof",
  ]);

  // The next epoch is on the next day, for which the proof must state another age.
  const tomorrow = now + 86_400;
  const post = await prepared.post("good morning", ledger, { now: tomorrow });
  assert.equal((await verifier.verifyPost(room, "good morning", post.pass, [head.root], { now: tomorrow })).verdict, "accepted");
  await assert.rejects(prepared.post("back", ledger, { now }), fails("epoch_left"));
});

test("what was proved natively is verified, and every rejection has its name", async () => {
  const [{ message, pass }] = fixture.posts;
  const verdict = async (change = {}) => {
    const given = { room, message, pass, roots: [own.commitment, head.root], now, ...change };
    return verifier.verifyPost(given.room, given.message, given.pass, given.roots, { now: given.now });
  };
  const accepted = await verdict();
  assert.equal(accepted.verdict, "accepted");
  assert.deepEqual(accepted.requirement, { minStake: 10, sinceMax: 20_832 });
  assert.deepEqual([accepted.limitCap, accepted.epoch, accepted.epochSeconds], [5, 3_000_000, 600]);

  const rejected = async (change, name, gossip, detail = {}) => {
    const rejection = await verdict(change);
    assert.deepEqual([rejection.verdict, rejection.gossip], [name, gossip]);
    assert.ok(rejection.message.startsWith(name));
    for (const [key, value] of Object.entries(detail)) assert.deepEqual(rejection.detail[key], value);
  };
  await rejected({ message: "another" }, "invalid_proof", "reject");
  await rejected({ roots: [] }, "unknown_root", "ignore");
  await rejected({ roots: [own.commitment] }, "unknown_root", "ignore");
  await rejected({ now: now + 620 }, "epoch_out_of_range", "ignore", { epoch: 3_000_000 });
  const stricter = new Room(registry, { ...room.policy, minStake: 11 });
  await rejected({ room: stricter }, "requirement_mismatch", "reject", { field: "min_stake", stated: 10, expected: 11 });
  const elsewhere = new Room({ ...registry, chainId: 1 }, room.policy);
  await rejected({ room: elsewhere }, "invalid_proof", "reject");
  await rejected({ pass: "????" }, "malformed", "reject", { offset: 0 });
  await rejected({ pass: pass.slice(4) }, "malformed", "reject");
  await rejected({ pass: new Uint8Array() }, "malformed", "reject");
  await rejected({ pass: new Uint8Array(246).fill(255) }, "malformed", "reject");
});

test("two messages under one message id give the sender away", async () => {
  const facts = [];
  for (const { message, pass } of fixture.posts) {
    facts.push(await verifier.verifyPost(room, message, pass, [head.root], { now }));
  }
  assert.equal(await verifier.recover(room, ...facts), fixture.commitment);
  assert.equal(await verifier.recoverSecret(room, ...facts), fixture.secret);
  await assert.rejects(verifier.recover(room, facts[0], facts[0]), fails("cannot_recover"));
  const invented = { ...facts[1], share: { ...facts[1].share, y: facts[0].share.x } };
  await assert.rejects(verifier.recover(room, facts[0], invented), fails("cannot_recover"));
  const other = { ...facts[1], nullifier: facts[0].share.x };
  await assert.rejects(verifier.recover(room, facts[0], other), fails("invalid_argument"));
  await assert.rejects(verifier.recover(room, facts[0], {}), fails("invalid_argument"));
});

test("shares of the protocol's vectors give their secrets", async () => {
  const path = new URL("../../../circuits/tests/vectors/protocol-v1.json", import.meta.url);
  const vectors = JSON.parse(readFileSync(path, "utf8"));
  const hex = (decimal) => `0x${BigInt(decimal).toString(16).padStart(64, "0")}`;
  const { chain_id, registry: address, name } = vectors.scope;
  // The search goes through the nullifiers of all message ids below the cap, which is slow for high ids.
  const posts = vectors.posts.filter(({ message_id }) => message_id < 100);
  assert.ok(posts.length === 3);
  for (const post of posts) {
    const epochSeconds = Number(post.epoch_seconds);
    const scope = { ...room.policy, name, epochSeconds, maxClockSkew: 0, limitCap: 100 };
    const place = new Room({ chainId: BigInt(chain_id), address }, scope);
    const facts = post.shares.map(({ x, y }) => ({
      nullifier: hex(post.nullifier),
      share: { x: hex(x), y: hex(y) },
      epoch: Number(post.epoch),
      epochSeconds,
    }));
    assert.equal(await verifier.recoverSecret(place, ...facts), hex(vectors.members[post.member].identity_secret));
  }
});

test("badges are accepted here and from outside, and show one pseudonym", async () => {
  const chatKey = new Uint8Array(32).fill(7);
  const badge = await prover.badge(account, membership, room, chatKey, { now });
  assert.equal(badge.pseudonym, fixture.badge.pseudonym);
  for (const pass of [badge.pass, badge.text, fixture.badge.pass]) {
    const verdict = await verifier.verifyBadge(room, pass, [head.root], { now });
    assert.deepEqual([verdict.verdict, verdict.pseudonym], ["accepted", badge.pseudonym]);
    assert.deepEqual(verdict.chatKey, chatKey);
  }
  const verdict = async (roots, later = 0) => (await verifier.verifyBadge(room, badge.text, roots, { now: now + later })).verdict;
  assert.equal(await verdict([]), "unknown_root");
  assert.equal(await verdict([head.root], 2 * 86_400), "requirement_mismatch");
  assert.equal((await verifier.verifyBadge(room, fixture.posts[0].pass, [head.root], { now })).verdict, "malformed");

  const long = new Uint8Array(65_536);
  await assert.rejects(prover.badge(account, membership, room, long, { now }), fails("invalid_argument"));
  const postsOnly = await Verifier.load(client, { post: keys.post });
  await assert.rejects(postsOnly.verifyBadge(room, badge.pass, [head.root], { now }), fails("no_key"));
});

test("a challenge for a chat key names its room", async () => {
  const challenge = new Uint8Array(32).fill(9);
  const message = await prover.badgeChallengeMessage(room, challenge);
  const scope = Buffer.from(room.listed.scope.slice(2), "hex");
  const expected = Buffer.concat([Buffer.from("quotapass.badge-challenge.v1\0"), scope, challenge]);
  assert.deepEqual(Buffer.from(message), expected);
  const elsewhere = new Room(registry, { ...room.policy, name: "elsewhere" });
  assert.notDeepEqual(await prover.badgeChallengeMessage(elsewhere, challenge), message);
  // Attack: a relay gives a text to sign as its challenge.
  await assert.rejects(prover.badgeChallengeMessage(room, new Uint8Array(33)), fails("invalid_argument"));
});

test("whoever does not meet the requirement uses up no message id", async () => {
  const richer = new Room(registry, { ...room.policy, minStake: 1_000 });
  await assert.rejects(prover.prepare(account, membership, richer, { now }), fails("ineligible"));
  await assert.rejects(prover.badge(account, membership, richer, new Uint8Array(1), { now }), fails("ineligible"));
  const young = now - 30 * 86_400;
  await assert.rejects(prover.prepare(account, membership, room, { now: young }), fails("ineligible"));
  const ledger = await freshLedger();
  const prepared = await prover.prepare(account, membership, room, { now });
  await assert.rejects(prepared.post("too early", ledger, { now: young }), fails("ineligible"));
  assert.equal((await ledger.quotaLeft(room, membership, { now: young })).used, 0);
  const stranger = await identity.account(registry, 1);
  await assert.rejects(prover.prepare(stranger, membership, room, { now }), fails("ineligible"));
  const elsewhere = new Room({ ...registry, chainId: 1 }, room.policy);
  await assert.rejects(prover.prepare(account, membership, elsewhere, { now }), fails("invalid_argument"));
});

test("a ledger is created once, and what is missing or damaged is an error", async () => {
  await freshLedger();
  const [owner] = ledgers.records.keys();
  await assert.rejects(Ledger.create(client, account, { history: "none" }), fails("ledger_exists"));
  await Ledger.open(client, account);

  const stranger = await identity.account(registry, 1);
  await assert.rejects(Ledger.open(client, stranger), fails("ledger_missing"));
  const theirs = await Ledger.create(client, stranger, { history: "none" });
  const prepared = await prover.prepare(account, membership, room, { now });
  await assert.rejects(prepared.post("mine", theirs, { now }), fails("ledger_of_another"));

  const good = ledgers.records.get(owner);
  const bad = good.slice();
  bad[20] ^= 1;
  const strangers = [...ledgers.records.values()][1];
  for (const [bytes, code] of [[bad, "ledger_damaged"], [new Uint8Array(), "ledger_damaged"], [strangers, "ledger_of_another"]]) {
    ledgers.records.set(owner, bytes);
    await assert.rejects(Ledger.open(client, account), fails(code));
    await assert.rejects(Ledger.create(client, account, { history: "none" }), fails("ledger_exists"));
    assert.equal(ledgers.records.get(owner), bytes, "it stays as it is");
  }
  await assert.rejects(Ledger.create(client, account, { history: "none", replace: true }), fails("invalid_argument"));
  const anew = await Ledger.create(client, account, { history: "unknown", replace: true, now });
  const resumes = ({ nextBegins }) => assert.equal(nextBegins, now + 1200);
  await assert.rejects(prepared.post("too soon", anew, { now }), fails("may_be_stale", resumes));
  await assert.rejects(prepared.post("by a slow clock", anew, { now: now + 600 }), fails("may_be_stale", resumes));
  await prepared.post("later", anew, { now: now + 1200 });
});

test("a storage that fails or never answers is an error of the call alone", async () => {
  const ledger = await freshLedger();
  const prepared = await prover.prepare(account, membership, room, { now });
  const { setTimeout } = globalThis;
  let late;
  const failures = [
    () => {
      throw new TypeError("not written yet");
    },
    async () => {
      throw new DOMException("the connection is lost", "InvalidStateError");
    },
    (_, change) => new Promise(() => (late = change)),
  ];
  try {
    globalThis.setTimeout = (work, time) => setTimeout(work, time / 100);
    for (const failure of failures) {
      ledgers.change = failure;
      await assert.rejects(prepared.post("lost", ledger, { now }), fails("storage_failed"));
      assert.equal(client.threads, 1, "the module has ended");
    }
  } finally {
    delete ledgers.change;
    globalThis.setTimeout = setTimeout;
  }
  // An answer that comes too late changes nothing.
  assert.throws(() => late(ledgers.records.values().next().value), fails("storage_failed"));
  assert.equal((await prepared.post("after all", ledger, { now })).left, 4);

  // A ledger exists, whatever the browser says of its storage.
  ledgers.records.clear();
  ledgers.persist = () => {
    throw new Error("there is no browser");
  };
  assert.equal((await Ledger.create(client, account, { history: "none" })).persisted, false);
  delete ledgers.persist;
});

test("a ledger in the place of another knows of its last use", async () => {
  const ledger = await freshLedger();
  const prepared = await prover.prepare(account, membership, room, { now });
  await prepared.post("by a clock that is ahead", ledger, { now: now + 6000 });
  // The clock is right again, and another ledger replaces the first.
  const anew = await Ledger.create(client, account, { history: "unknown", replace: true, now });
  const resumes = ({ nextBegins }) => assert.equal(nextBegins, now + 7200);
  for (const at of [now + 1200, now + 6000, now + 7199]) {
    await assert.rejects(prepared.post("again", anew, { now: at }), fails("may_be_stale", resumes));
  }
  await prepared.post("later", anew, { now: now + 7200 });
});

test("a history that is known after all is confirmed", async () => {
  const ledger = await freshLedger({ history: "unknown", now });
  const prepared = await prover.prepare(account, membership, room, { now });
  await assert.rejects(prepared.post("too soon", ledger, { now }), fails("may_be_stale"));
  await ledger.confirmCurrent();
  assert.equal((await prepared.post("now", ledger, { now })).left, 4);
});

test("devices share the message ids", async () => {
  const nullifiers = new Set();
  for (const device of [0, 1]) {
    const ledger = await freshLedger({ history: "none", share: { device, devices: 2 } });
    const prepared = await prover.prepare(account, membership, room, { now });
    for (let sent = 0; sent < 3 - device; sent++) nullifiers.add((await prepared.post(`x ${sent}`, ledger, { now })).nullifier);
    await assert.rejects(prepared.post("one more", ledger, { now }), fails("quota_used"));
    // The same message has the same id, also when the quota is used.
    assert.ok(nullifiers.has((await prepared.post("x 0", ledger, { now })).nullifier));
  }
  assert.equal(nullifiers.size, 5);
  await assert.rejects(freshLedger({ history: "none", share: { device: 2, devices: 2 } }), fails("invalid_argument"));
  await assert.rejects(freshLedger({ history: "none", share: { device: 0, devices: 0 } }), fails("invalid_argument"));
  await assert.rejects(freshLedger({}), fails("invalid_argument"));
});

test("a prepared prover follows the tree", async () => {
  const member = await membership.member();
  const list = (others) => Membership.fromList(client, { ...own, index: 0 }, [member, ...others]);
  const prepared = await prover.prepare(account, await list([]), room, { now });
  const later = await list([{ ...member, commitment: fixture.root }]);
  await prepared.update(later);
  assert.equal(await prepared.root(), await later.root());
  const post = await prepared.post("after", await freshLedger(), { now });
  assert.equal((await verifier.verifyPost(room, "after", post.pass, [await later.root()], { now })).verdict, "accepted");
  await assert.rejects(prepared.update(membership), fails("other_member"));
});

test("rooms and registries that cannot be are refused", async () => {
  const { policy } = room;
  const refused = (of, values) => assert.rejects(prover.prepare(account, membership, new Room(of, values), { now }), fails("invalid_argument"));
  await refused(registry, { ...policy, limitCap: 0 });
  await refused(registry, { ...policy, epochSeconds: 0 });
  await refused(registry, { ...policy, minStake: 2 ** 32 });
  await refused(registry, { ...policy, maxClockSkew: 601 });
  await refused(registry, { ...policy, name: "" });
  await refused(registry, {});
  await refused({ ...registry, address: "0x11" }, policy);
  await refused({ ...registry, address: "0x5FbDB2315678afecb367f032d93F642f64180aa4" }, policy);
  await refused({ ...registry, chainId: -1 }, policy);
  await refused({ ...registry, chainId: 1.5 }, policy);
  for (const document of [null, "", "[", {}, { registry: fixture.registry }, { ...fixture, scopes: 1 }]) {
    assert.throws(() => Room.fromPolicy(document, "lobby"), fails("invalid_argument"));
  }
  assert.throws(() => Room.fromPolicy(JSON.stringify(fixture), "attic"), fails("invalid_argument"));
  const { scope, ...unstated } = fixture.scopes[0];
  assert.throws(() => Room.fromPolicy({ ...fixture, scopes: [unstated] }, "lobby"), fails("invalid_argument"));
  const of = (scope) => Room.fromPolicy({ ...fixture, scopes: [{ ...unstated, scope }] }, "lobby");
  await prover.prepare(account, membership, of(scope), { now });
  // A relay whose stated scope does not match the room's name.
  await assert.rejects(prover.prepare(account, membership, of(fixture.root), { now }), /do not trust this relay/);
});

test("a policy of one's own is refused by a pin and by another relay", async () => {
  // The hash that the relay's code computes: a relay publishes it; here it is in the fixture.
  const hash = await room.policyHash();
  assert.equal(hash, fixture.policyHash);
  assert.equal(await room.pinned("00".repeat(32), hash), room);
  assert.equal(room.confirmedBy(Room.fromPolicy(fixture, "lobby")), room);
  for (const value of [{ min_stake: 11 }, { limit_cap: 4 }, { version: 2 }, { from: now }, { max_clock_skew: 19 }]) {
    const tagged = Room.fromPolicy({ ...fixture, scopes: [{ ...fixture.scopes[0], ...value }] }, "lobby");
    await assert.rejects(tagged.pinned(hash), fails("policy_not_pinned"));
    assert.throws(() => tagged.confirmedBy(room), fails("policy_differs"));
  }
  await assert.rejects(new Room(room.registry, room.policy).policyHash(), fails("invalid_argument"));
  const timeless = Room.fromPolicy({ ...fixture, scopes: [{ ...fixture.scopes[0], from: 1.5 }] }, "lobby");
  await assert.rejects(timeless.policyHash(), fails("invalid_argument"));
});

test("the members who meet what a room asks for are counted", async () => {
  assert.equal(await membership.meeting(room, { now }), fixture.meeting);
  const rich = new Room(room.registry, { ...room.policy, minStake: 4_000_000_000 });
  assert.equal(await membership.meeting(rich, { now }), 0);
});

test("closed objects and closed clients say so", async () => {
  const fleeting = await Identity.generate(client);
  await fleeting.close();
  await fleeting.close();
  await assert.rejects(fleeting.mnemonic(), fails("closed"));
  const other = await start();
  const without = await Identity.generate(other);
  const nowhere = await without.account(registry);
  await assert.rejects(Ledger.create(other, nowhere, { history: "none" }), fails("storage_failed"));
  other.close();
  await assert.rejects(without.mnemonic(), fails("closed"));
});

test("a call that is cancelled before it runs does not run", async () => {
  const ledger = await freshLedger();
  const prepared = await prover.prepare(account, membership, room, { now });
  await assert.rejects(prepared.post("x", ledger, { now, signal: AbortSignal.abort() }), fails("aborted"));
  assert.equal((await ledger.quotaLeft(room, membership, { now })).used, 0);
  assert.ok(prepared instanceof PreparedProver);
});
