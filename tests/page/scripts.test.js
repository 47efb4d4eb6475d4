// The scripts of the pages of moderation, under Node.js: they compute what the crate quotapass-log computes, and refuse what
// it refuses. The file `browser.json` is written by a test of that crate.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const files = "../../crates/relay/src/http/moderation_page/files";
const load = (name) => import(`${files}/${name}.js`);
const [bytes, json, note, leaf, entry, post, keys, tiles, history, handed] = await Promise.all(
  ["bytes", "json", "note", "leaf", "entry", "post", "keys", "tiles", "history", "handed"].map(load));
const fixture = JSON.parse(readFileSync(new URL("../../crates/log/tests/browser.json", import.meta.url), "utf8"));
const { origin, log, root_key: rootKey } = fixture;
const registry = fixture.strike.value.registry;

/** A key of the fixture, as the browser keeps it after an import. */
async function signerOf({ name, seed }) {
  const pkcs8 = bytes.concat(bytes.fromHex("302e020100300506032b657004220420"), bytes.fromHex(seed));
  const readable = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
  const publicKey = bytes.fromBase64url((await crypto.subtle.exportKey("jwk", readable)).x);
  const privateKey = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", false, ["sign"]);
  return keys.signerOf({ name, publicKey, privateKey });
}

const signers = await Promise.all(fixture.moderators.map(signerOf));
const moderators = await history.readKeys(fixture.moderators.map(({ vkey }) => vkey));
const served = (path) => {
  assert.ok(fixture.served[path], `the log does not serve ${path}`);
  return bytes.fromBase64(fixture.served[path]);
};

test("JSON is canonical as in Rust", () => {
  for (const { value, json: expected } of fixture.canonical) {
    assert.equal(json.canonicalJson(value), expected);
    assert.deepEqual(json.readCanonicalJson(expected), value);
    assert.throws(() => json.readCanonicalJson(` ${expected}`), /canonical/);
  }
  for (const wrong of [0.5, 2 ** 53, NaN, undefined, "\ud800", { a: () => 1 }]) assert.throws(() => json.canonicalJson([wrong]));
  for (const wrong of ['{"a":1,"a":1}', '{"b":1,"a":1}', '"\\u0041"', "1.0", ""]) assert.throws(() => json.readCanonicalJson(wrong));
});

test("keys have the text of C2SP verifier keys", async () => {
  for (const [index, { vkey }] of fixture.moderators.entries()) {
    assert.equal(await note.vkey(signers[index].name, signers[index].publicKey), vkey);
    assert.equal((await note.readVkey(vkey)).text, vkey);
    for (const wrong of ["", vkey.slice(1), `${vkey}A`, ` ${vkey}`, vkey.replace(/\+[0-9a-f]{8}\+/, "+00000000+"), "a+b"]) {
      await assert.rejects(note.readVkey(wrong), /not a verifier key/, wrong);
    }
  }
  for (const name of ["", "two words", "a+b", "a\nb", "a\u00a0b"]) await assert.rejects(note.vkey(name, new Uint8Array(32)));
});

test("leaves are those of the crate, byte for byte", async () => {
  for (const { value, json: expected, by_one: one, by_two: two } of [fixture.strike, fixture.lift]) {
    const empty = leaf.newLeaf(value);
    assert.equal(empty.json, expected);
    const signed = await leaf.signLeaf(empty, origin, signers[0]);
    assert.equal(leaf.leafText(signed), one);
    const both = await leaf.signLeaf(leaf.readLeaf(one), origin, signers[1]);
    assert.equal(leaf.leafText(both), two);
    assert.deepEqual((await leaf.signers(leaf.readLeaf(two), origin, moderators)).map(({ name }) => name), ["moderator0", "moderator1"]);

    await assert.rejects(leaf.signers(both, "other.example/log", moderators), /does not match/);
    await assert.rejects(leaf.signers(both, origin, moderators.slice(1)), /does not name/);
    await assert.rejects(leaf.signers(await leaf.signLeaf(both, origin, signers[0]), origin, moderators), /twice/);
    const changed = leaf.readLeaf(two.replace(/"id":"../, '"id":"ff'));
    await assert.rejects(leaf.signers(changed, origin, moderators), /does not match/);
    for (const wrong of ["", "{}", "[]\n", two.slice(0, -1), two.replace(":", ": "), two.replace("\n", "\n\n"), `${two}x\n`]) {
      assert.throws(() => leaf.readLeaf(wrong), undefined, wrong);
    }
  }
  const long = leaf.newLeaf({ a: "x".repeat(leaf.MAX_LEAF) });
  assert.throws(() => leaf.leafText(long), /16,384/);
});

test("strikes and lifts have the fields of the crate", async () => {
  const { value } = fixture.strike;
  const now = fixture.now * 1000;
  const item = {
    ...value.entry, scope: value.scope, epoch_seconds: value.epoch_seconds, epoch: value.epoch,
    pass: bytes.base64url(bytes.fromHex(value.pass)),
  };
  const choice = { reason: value.reason, ground: value.ground.kind, reference: ` ${value.ground.reference} `, until: value.until, found_by_program: true };
  const made = entry.strike(item, registry, choice, value.text, now);
  assert.match(made.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual({ ...made, id: value.id }, value);
  const lifted = entry.lift(value.id, "appeal", now);
  assert.deepEqual({ ...lifted, id: fixture.lift.value.id }, fixture.lift.value);
  assert.throws(() => entry.strike(item, registry, { ...choice, reference: " " }, value.text, now), /rule/);
  assert.throws(() => entry.strike(item, registry, { ...choice, until: entry.moment(now) }, value.text, now), /future/);
  assert.doesNotThrow(() => entry.strike(item, registry, { ...choice, until: "never" }, value.text, now));
});

test("identities, moments and salted texts are those of the crate", async () => {
  assert.equal(entry.newId(fixture.now * 1000, bytes.fromHex(fixture.id.random)), fixture.id.id);
  assert.notEqual(entry.newId(0), entry.newId(0));
  assert.equal(entry.moment(entry.readMoment("2026-11-20T12:00:00Z") + 999), "2026-11-20T12:00:00Z");
  for (const wrong of ["", "2026-11-20T12:00:00.5Z", "2026-11-20 12:00:00", "2026-02-30T12:00:00Z"]) assert.throws(() => entry.readMoment(wrong));
  const { text, salt, sha256, encoded } = fixture.salted;
  assert.deepEqual(await entry.salt(text, bytes.fromHex(salt)), { encoded, sha256 });
  assert.equal(await entry.unsalt(encoded, sha256), text);
  assert.equal(await entry.unsalt(bytes.fromBase64url(encoded), sha256), text);
  for (const wrong of ["", encoded.slice(4)]) await assert.rejects(entry.unsalt(wrong, sha256));
  assert.notEqual((await entry.salt(text)).sha256, sha256);
  await assert.rejects(entry.salt("a".repeat(65_537)), /65,536/);
});

test("the message of a post is recognised", () => {
  for (const { message, x, ...place } of fixture.signals) {
    assert.equal(post.signalHash({ ...place, registry }, bytes.fromHex(message)), x);
    assert.notEqual(post.signalHash({ ...place, registry }, bytes.fromHex(`${message}00`)), x);
    assert.notEqual(post.signalHash({ ...place, scope: "other", registry }, bytes.fromHex(message)), x);
  }
});

test("requests are signed as the relay verifies them", async () => {
  for (const [index, { method, target, seconds, body, value }] of fixture.headers.entries()) {
    assert.equal(await keys.moderatorHeader(signers[index], log, method, target, seconds, bytes.utf8(body)), value);
  }
});

test("secret keys are read in both forms, and errors do not repeat them", async () => {
  const { seed, name } = fixture.moderators[0];
  assert.equal(bytes.hex((await keys.readSecret(` ${seed}\n`)).seed), seed);
  const stated = `PRIVATE+KEY+${name}+01020304+${bytes.base64(bytes.concat([1], bytes.fromHex(seed)))}`;
  assert.deepEqual(await keys.readSecret(stated), { seed: bytes.fromHex(seed), name, id: "01020304" });
  for (const wrong of ["", seed.slice(1), seed.toUpperCase(), stated.slice(0, -4), stated.replace("+AQ", "+BQ")]) {
    await assert.rejects(keys.readSecret(wrong), (error) => !wrong || !error.message.includes(wrong));
  }
});

test("bundles have the paths of tlog-tiles", () => {
  for (const { index, size, path } of fixture.paths) assert.equal(tiles.bundlePath(index, size), path);
});

test("a log is read newest first, and checked", async () => {
  assert.equal(bytes.hex(await tiles.logId(origin, (await note.readVkey(rootKey)).publicKey)), log);
  const parts = [];
  const read = await history.readHistory(async (path) => served(path), ({ from }) => parts.push(from));
  assert.deepEqual(parts, [0]);
  const { strikes, lifts } = history.strikesOf(read);
  assert.deepEqual(strikes.map(({ lift }) => lift?.because ?? null), ["expired", "appeal", null]);
  assert.deepEqual(lifts.map(({ because, signatures }) => [because, signatures]), [["expired", 1], ["appeal", 2]]);
  assert.equal(history.policyOf(read).threshold, 2);
  const name = { origin, root_key: rootKey };
  assert.equal(await history.checkHistory(read, name), true);

  // Whatever is changed, left out, moved or signed by others is seen.
  const other = fixture.moderators[0].vkey;
  await assert.rejects(history.checkHistory(read, { origin, root_key: other }), /entry 0/);
  await assert.rejects(history.checkHistory(read, { origin: "other", root_key: rootKey }), /checkpoint is of the log/);
  const without = { ...read, entries: read.entries.toSpliced(2, 1), leaves: read.leaves.toSpliced(2, 1) };
  await assert.rejects(history.checkHistory(without, name), /another log/);
  const forged = leaf.readLeaf(fixture.strike.by_one);
  const entries = read.entries.with(1, bytes.utf8(fixture.strike.by_one));
  await assert.rejects(history.checkHistory({ ...read, entries, leaves: read.leaves.with(1, forged) }, name), /another log/);
  const unsigned = { ...read.checkpoint, lines: [] };
  await assert.rejects(history.checkHistory({ ...read, checkpoint: unsigned }, name), /working key/);
});

/** A log of entries whose tree is right. Its checkpoint has the signature of another one. */
async function rebuilt(read, leaves) {
  const entries = leaves.map((text) => bytes.utf8(text));
  const [size, root] = [entries.length, await tiles.treeRoot(entries)];
  const text = `${origin}\n${size}\n${bytes.base64(root)}\n`;
  return { ...read, entries, leaves: leaves.map(leaf.readLeaf), checkpoint: { ...read.checkpoint, size, root, text } };
}

test("entries that too few signed, or that repeat others, are seen in a tree that is right", async () => {
  const read = await history.readHistory(async (path) => served(path));
  const name = { origin, root_key: rootKey };
  const texts = read.entries.map((entry) => bytes.text(entry));
  const policy = texts[0];
  for (const [leaves, expected] of [
    [[policy, fixture.strike.by_one], /1 of 2/],
    [[fixture.strike.by_two, policy], /first entry/],
    [[policy, fixture.strike.by_two, fixture.strike.by_two], /another entry has the identity/],
    [[policy, fixture.lift.by_two], /not in force/],
    [[policy, policy], /another entry has the identity/],
    [[policy, fixture.strike.by_two], /checkpoint is not signed/],
  ]) {
    await assert.rejects(history.checkHistory(await rebuilt(read, leaves), name), expected);
  }
});

test("damaged bundles and checkpoints are refused", async () => {
  const path = Object.keys(fixture.served).find((path) => path.startsWith("tile/"));
  const bundle = served(path);
  const { size } = tiles.readCheckpoint(served("checkpoint"));
  assert.equal(tiles.readBundle(bundle, size).length, size);
  for (const [wrong, count] of [[bundle, size - 1], [bundle.subarray(0, -1), size], [bundle.subarray(0, 1), 1], [bundle.subarray(0, 0), 1]]) {
    assert.throws(() => tiles.readBundle(wrong, count));
  }
  const checkpoint = bytes.text(served("checkpoint"));
  for (const wrong of ["", "\n\n", checkpoint.replace(/\n\d+\n/, "\n01\n"), checkpoint.replace("\n\n", "\nmore\n\n"), checkpoint.replace("\n\n", "\n")]) {
    assert.throws(() => tiles.readCheckpoint(bytes.utf8(wrong)));
  }
});

test("trees of thousands of entries have the root of RFC 6962", async () => {
  // Computed level by level here, and recursively there.
  const root = async (entries) => {
    if (entries.length === 1) return bytes.sha256(bytes.concat([0], entries[0]));
    const middle = 2 ** Math.floor(Math.log2(entries.length - 1));
    const [one, other] = await Promise.all([root(entries.slice(0, middle)), root(entries.slice(middle))]);
    return bytes.sha256(bytes.concat([1], one, other));
  };
  for (const size of [1, 2, 3, 7, 256, 259, 5_000]) {
    const entries = Array.from({ length: size }, (_, index) => bytes.utf8(String(index)));
    assert.deepEqual(await tiles.treeRoot(entries), await root(entries), String(size));
  }
});

test("a file that moderators hand around shows what is signed", async () => {
  const { value } = fixture.strike;
  const salted = await entry.salt("Because of rule 3.");
  const { scope, epoch_seconds, epoch, x } = fixture.signals[0];
  const listed = { ...value.entry, x };
  const pass = bytes.concat([1, 3], bytes.fromHex(epoch_seconds.toString(16).padStart(8, "0")), bytes.fromHex(BigInt(epoch).toString(16).padStart(16, "0")),
    new Uint8Array(40), bytes.fromHex(listed.y), bytes.fromHex(listed.nullifier), new Uint8Array(128));
  const struck = { ...value, scope, epoch_seconds, epoch, text: salted.sha256, entry: listed, pass: bytes.hex(pass) };
  const sign = (changes) => leaf.signLeaf(leaf.newLeaf({ ...struck, ...changes }), origin, signers[0]);
  const one = await sign({});
  const room = { log: { origin, root_key: rootKey }, moderators, registry };
  const write = (leaf, extras) => handed.writeHanded(room.log, leaf, extras);
  const shown = { text: salted.encoded, message: "" };
  const read = await handed.readHanded(write(one, shown), room);
  assert.deepEqual([read.words, read.signed.map(({ name }) => name), read.extras], ["Because of rule 3.", ["moderator0"], shown]);
  const withheld = { text: salted.encoded, withheld: "personal" };
  assert.equal((await handed.readHanded(write(one, withheld), room)).leaf.json, one.json);
  assert.deepEqual((await handed.readHanded(write(leaf.newLeaf(struck), withheld), room)).signed, []);
  const lifted = await handed.readHanded(write(leaf.readLeaf(fixture.lift.by_two), {}), room);
  assert.equal(lifted.signed.length, 2);

  const refuse = (file, expected, at = room) => assert.rejects(handed.readHanded(file, at), expected);
  for (const wrong of ["", "null", "[]", "{}", write(one, { ...shown, more: "x" }), write(one, { ...shown, text: 1 })]) await refuse(wrong, /not a file/);
  await refuse(write(one, shown).replace("request", "requests"), /not a file/);
  await refuse(write(one, shown).replace(origin, "other"), /another log/);
  await refuse(write(one, shown).replace(rootKey, fixture.moderators[0].vkey), /another log/);
  await refuse(write(one, { ...shown, message: "other words" }), /not that of the listed post/);
  await refuse(write(one, { text: salted.encoded }), /neither/);
  await refuse(write(one, { ...shown, withheld: "personal" }), /neither/);
  await refuse(write(one, { ...shown, text: fixture.salted.encoded }), /not the one/);
  await refuse(write(one, shown), /does not name/, { ...room, moderators: moderators.slice(1) });
  await refuse(write(one, shown), /registry/, { ...room, registry: { ...registry, chain_id: "1" } });
  for (const changes of [{ epoch: "5" }, { epoch_seconds: 601 }, { entry: { ...listed, y: x } }, { entry: { ...listed, nullifier: x } }, { pass: "0102" }]) {
    await refuse(write(await sign(changes), shown), /pass/);
  }
  await refuse(write(await sign({ kind: "block" }), {}), /strikes and lifts/);
  await refuse(write(leaf.readLeaf(fixture.lift.by_one), shown), /only a strike/);
});
