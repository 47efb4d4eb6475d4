// A stand-in for the routes of a relay under /v1/moderation, for what a real relay cannot show quickly: a log of thousands of
// entries, a damaged log, refusals. It verifies what moderators send as the relay does.

import { createHash, createPublicKey, randomBytes, verify } from "node:crypto";

const load = (name) => import(`../../crates/relay/src/http/moderation_page/files/${name}.js`);
const [bytes, note, leaf, entry, post, tiles] = await Promise.all(["bytes", "note", "leaf", "entry", "post", "tiles"].map(load));

export const registry = { chain_id: "31337", address: "07".repeat(20) };
const ORIGIN = "relay.example/moderation";
const PLACE = { registry, scope: "room", epoch_seconds: 600, epoch: "2991960" };
const digest = (data) => createHash("sha256").update(data).digest("hex");
const base64url = (data) => Buffer.from(data).toString("base64url");

/** A key that signs, with the line of its secret. */
export async function key(name, seed = randomBytes(32).toString("hex")) {
  const pkcs8 = Buffer.from(`302e020100300506032b657004220420${seed}`, "hex");
  const readable = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
  const publicKey = bytes.fromBase64url((await crypto.subtle.exportKey("jwk", readable)).x);
  const sign = async (signed) => new Uint8Array(await crypto.subtle.sign("Ed25519", readable, signed));
  const vkey = await note.vkey(name, publicKey);
  const encoded = Buffer.concat([Buffer.from([1]), Buffer.from(seed, "hex")]).toString("base64");
  return { name, seed, publicKey, sign, vkey, line: `PRIVATE+KEY+${name}+${vkey.split("+")[1]}+${encoded}` };
}

/** A post with a message, as the queue shows it. */
export function item(message, more = {}) {
  const [x, y, nullifier] = [post.signalHash(PLACE, bytes.utf8(message)), ...[1, 2].map(() => `00${randomBytes(31).toString("hex")}`)];
  const head = Buffer.alloc(54);
  head.set([1, 1]);
  head.writeUInt32BE(PLACE.epoch_seconds, 2);
  head.writeBigUInt64BE(BigInt(PLACE.epoch), 6);
  const pass = base64url(Buffer.concat([head, Buffer.from(y, "hex"), Buffer.from(nullifier, "hex"), Buffer.alloc(128)]));
  const { registry: _, ...place } = PLACE;
  return { nullifier, ...place, x, y, pass, accepted_at: entry.moment(Date.now() - 3_600_000), state: "visible", reports: [], ...more };
}

/** A report with a body in clear, or encrypted. */
export function report(body) {
  const at = entry.moment(Date.now() - 600_000);
  if (body === null) return { at, body: base64url("age-encryption.org/v1\n-> X25519 …\n") };
  return { at, body: base64url(JSON.stringify(body)), reason: body.reason };
}

/** A refusal with what to do. */
class Refusal extends Error {
  constructor(status, error, hint) {
    super(error);
    this.answer = { status, json: { error, hint } };
  }
}

export class StandIn {
  items = new Map();
  texts = new Map();
  events = [];
  /** What moderators sent, in order: route and body. */
  received = [];
  /** A status that all answers have from now on. */
  fails = null;
  #leaves = [];
  #published = null;

  static async create(moderators, threshold) {
    const log = new StandIn();
    [log.root, log.working] = [await key("root"), await key(ORIGIN)];
    log.id = bytes.hex(await tiles.logId(ORIGIN, log.root.publicKey));
    await log.setPolicy(moderators.map(({ vkey }) => vkey), threshold);
    return log;
  }

  async setPolicy(moderators, threshold) {
    this.moderators = await Promise.all(moderators.map(note.readVkey));
    this.threshold = threshold;
    const head = { id: entry.newId(Date.now()), at: entry.moment(Date.now()), kind: "policy" };
    await this.append({ ...head, working_keys: [this.working.vkey], moderators, threshold, list_interval: 600 }, [this.root]);
    await this.publish();
  }

  async append(value, signers) {
    let signed = leaf.newLeaf(value);
    for (const signer of signers) signed = await leaf.signLeaf(signed, ORIGIN, signer);
    this.#leaves.push(leaf.leafText(signed));
  }

  /** Strikes a post. */
  async strike(post, signers, choice = {}) {
    const text = await entry.salt("Rule 3 says: no advertisements.");
    const defaults = { reason: "spam", ground: "incompatible", reference: "rule 3", until: entry.moment(Date.now() + 180 * 86_400_000), found_by_program: false };
    const struck = entry.strike(post, registry, { ...defaults, ...choice }, text.sha256, Date.now());
    this.texts.set(text.sha256, Buffer.from(text.encoded, "base64url"));
    await this.append(struck, signers);
    return struck.id;
  }

  lift(id, because, signers) {
    return this.append(entry.lift(id, because, Date.now()), signers);
  }

  /** Publishes a checkpoint of all entries. `damage` may change the entries that are served, after the root is computed. */
  async publish(damage = (leaves) => leaves) {
    const entries = this.#leaves.map((text) => bytes.utf8(text));
    const checkpoint = `${ORIGIN}\n${entries.length}\n${bytes.base64(await tiles.treeRoot(entries))}\n`;
    const line = await note.signatureLine(this.working, checkpoint);
    this.#published = { size: entries.length, note: `${checkpoint}\n${line}`, leaves: damage([...this.#leaves]) };
  }

  emit(kind, { nullifier, scope }) {
    this.events.push({ number: String(this.events.length), at: entry.moment(Date.now()), kind, scope, nullifier });
  }

  /** Answers a request. */
  async answer(method, target, headers, body) {
    try {
      if (this.fails) throw new Refusal(this.fails, "the relay is overloaded", "try again in a minute");
      return await this.#route(method, target, headers, body);
    } catch (error) {
      return error.answer ?? { status: 500, json: { error: error.stack, hint: "correct the test" } };
    }
  }

  async #route(method, target, headers, body) {
    const { pathname, searchParams } = new URL(target, "http://relay.example");
    if (pathname === "/v1/moderation") {
      return { json: { logs: [{ log: this.id, origin: ORIGIN, root_key: this.root.vkey, own: true, size: String(this.#published.size), root: "00".repeat(32), at: entry.moment(Date.now()) }] } };
    }
    if (pathname === "/v1/moderation/events") return this.#eventsSince(Number(searchParams.get("since")), Number(searchParams.get("wait")));
    const path = pathname.slice(`/v1/moderation/${this.id}/`.length);
    if (path === "checkpoint") return { bytes: Buffer.from(this.#published.note) };
    if (path.startsWith("tile/entries/")) return { bytes: this.#bundle(path) };
    if (path.startsWith("text/")) return this.texts.has(path.slice(5)) ? { bytes: this.texts.get(path.slice(5)) } : { status: 404, json: { error: "no such text", hint: "it was erased" } };
    if (path === "entries") return this.#append(JSON.parse(body));
    this.#check(method, target, headers, body);
    if (path === "queue") return { json: { items: [...this.items.values()] } };
    this.received.push([path, JSON.parse(body)]);
    if (path === "decisions") return this.#decide(JSON.parse(body));
    if (path === "answers") return this.#refuse(JSON.parse(body));
    throw new Refusal(404, "unknown path", "correct the test");
  }

  async #eventsSince(since, wait) {
    for (let rest = Math.min(wait, 5) * 10; rest > 0 && this.events.length <= since; rest--) await new Promise((resolve) => setTimeout(resolve, 100));
    return { json: { events: this.events.slice(since), next: String(this.events.length) } };
  }

  #bundle(path) {
    const { size, leaves } = this.#published;
    for (let index = 0; index * tiles.WIDTH < size; index++) {
      if (tiles.bundlePath(index, size) !== path) continue;
      return Buffer.concat(leaves.slice(index * tiles.WIDTH, (index + 1) * tiles.WIDTH).flatMap((text) => {
        const length = Buffer.alloc(2);
        length.writeUInt16BE(Buffer.byteLength(text));
        return [length, Buffer.from(text)];
      }));
    }
    throw new Refusal(404, `no ${path} in a log of ${size}`, "correct the page");
  }

  #check(method, target, headers, body) {
    const [publicKey, seconds, signature] = (headers["quotapass-moderator"] ?? "").split(" ");
    if (!this.moderators.some((known) => bytes.hex(known.publicKey) === publicKey)) throw new Refusal(403, "this key is not a moderator's", "ask the operator");
    if (Math.abs(Number(seconds) - Date.now() / 1000) > 60) throw new Refusal(403, "your clock differs", "set it");
    const said = `quotapass.moderator.v1\n${this.id}\n${method}\n${target}\n${seconds}\n${digest(body)}\n`;
    const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: base64url(Buffer.from(publicKey, "hex")) }, format: "jwk" });
    if (!verify(null, Buffer.from(said), key, Buffer.from(signature, "hex"))) throw new Refusal(403, "the signature does not match", "sign again");
  }

  async #append({ leaf: text, ...extras }) {
    this.received.push(["entries", { leaf: text, ...extras }]);
    const read = leaf.readLeaf(text);
    const signed = await leaf.signers(read, ORIGIN, this.moderators);
    if (signed.length < this.threshold) throw new Refusal(400, `${signed.length} of ${this.threshold} moderators signed`, "let more of them sign");
    const { kind, strike, entry: listed, id } = read.value;
    if (kind === "strike") {
      const salted = Buffer.from(extras.text, "base64url");
      if (digest(salted) !== read.value.text) throw new Refusal(400, "the text is another one", "send the text of the strike");
      this.texts.set(read.value.text, salted);
      if ((extras.message !== undefined) === (extras.withheld !== undefined)) throw new Refusal(400, "message or withheld", "send one");
      if (extras.message !== undefined && post.signalHash(read.value, bytes.utf8(extras.message)) !== listed.x) throw new Refusal(400, "x differs", "send the message");
      this.items.set(listed.nullifier, { ...this.items.get(listed.nullifier), strike: id, state: "hidden" });
    } else {
      for (const post of this.items.values()) {
        if (post.strike === strike) this.items.set(post.nullifier, { ...post, strike: undefined, appeal: undefined });
      }
    }
    this.#leaves.push(text);
    await this.publish();
    return { json: { index: String(this.#leaves.length - 1) } };
  }

  #decide({ nullifier, decision }) {
    const post = this.items.get(nullifier);
    this.items.set(nullifier, decision === "keep" ? { ...post, state: "visible", reports: [] } : { ...post, state: "hidden" });
    return { json: { result: "accepted" } };
  }

  #refuse({ strike }) {
    for (const post of this.items.values()) if (post.strike === strike) this.items.set(post.nullifier, { ...post, appeal: undefined });
    return { json: { result: "accepted" } };
  }
}
