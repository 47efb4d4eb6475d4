/**
 * The demo's page. Secrets stay in the worker of `@quotapass/web`, which makes the proofs. Only a commitment, once, and
 * messages with their passes leave the page.
 */

import {
  type Account,
  type ChainHead,
  type Client,
  Identity,
  type KeySources,
  Ledger,
  Membership,
  type PreparedProver,
  Prover,
  QuotapassError,
  Room,
  relayMembers,
  start,
} from "../js/index.js";

/** A message in the form that the chat network passes on. */
interface Line {
  readonly number: number;
  readonly at: number;
  readonly message: string;
  readonly verdict: string;
  readonly seen?: Readonly<Record<string, unknown>>;
}

/** The objects that a member needs to post. */
interface Member {
  readonly membership: Membership;
  readonly prepared: PreparedProver;
  readonly ledger: Ledger;
}

/**
 * The data that the tab keeps over a reload: the words of the identity, the index of its deposit, and its ledger's key in the
 * browser's storage.
 */
interface Kept {
  words: string;
  owner?: string;
  index?: number;
  /** The ledger's record as it was before the first message. */
  empty?: number[];
}

const ROOM = "lobby";
const KEPT = "quotapass-demo";
/** Interval at which the page looks for a new root and shows the remaining quota. */
const SYNC_MS = 15_000;
const TICK_MS = 1_000;
/** Time limit for the relay to see a deposit. */
const JOIN_MS = 30_000;

function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found as T;
}

function show(id: string, text: string): void {
  const at = element(id);
  // A screen reader announces every change, so the same text is not set again.
  if (at.textContent !== text) at.textContent = text;
}

function state(text: string, kind: "ready" | "unready" | "waiting"): void {
  show("state", text);
  element("state").className = `state ${kind}`;
}

function short(value: string): string {
  return value.length > 14 ? `${value.slice(0, 8)}…${value.slice(-4)}` : value;
}

const seconds = () => Math.floor(Date.now() / 1000);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function ask(path: string, body?: unknown): Promise<unknown> {
  const init = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, init);
  const text = await answer.text();
  if (answer.ok) return JSON.parse(text);
  let reason = text;
  try {
    reason = JSON.parse(text).error;
  } catch {
    // The text is shown unchanged.
  }
  throw new Error(`${path}: ${reason}`);
}

async function chainHead(): Promise<ChainHead> {
  const { root, member_count } = (await ask("/demo/head")) as { root: string; member_count: number };
  return { root, memberCount: member_count };
}

/** Runs the action of a button or a timer, and shows its error. */
async function tried(work: () => Promise<void>): Promise<void> {
  const problem = element("problem");
  try {
    problem.hidden = true;
    await work();
  } catch (error) {
    problem.textContent = error instanceof Error ? error.message : String(error);
    problem.hidden = false;
  }
}

class Demo {
  readonly #client: Client;
  readonly #prover: Prover;
  readonly #room: Room;
  readonly #account: Account;
  readonly #kept: Kept;
  #member: Member | undefined;
  /** The deposit is lost, so nothing more is sent. */
  #slashed = false;
  #busy = false;

  private constructor(client: Client, prover: Prover, room: Room, account: Account, kept: Kept) {
    this.#client = client;
    this.#prover = prover;
    this.#room = room;
    this.#account = account;
    this.#kept = kept;
  }

  static async open(): Promise<Demo> {
    const [client, keys, policy] = await Promise.all([
      start({ worker: "worker.js", wasm: "quotapass_web_bg.wasm", wasmThreads: "quotapass_web_threads_bg.wasm" }),
      ask("/demo/keys") as Promise<KeySources>,
      ask("/v1/policy"),
    ]);
    const prover = await Prover.load(client, keys, {
      onProgress: ({ circuit, step }) => state(`Key of ${circuit}s: ${step}`, "waiting"),
    });
    element("development").hidden = !prover.isDevelopment;
    const room = Room.fromPolicy(policy, ROOM);
    const before = sessionStorage.getItem(KEPT);
    const kept: Kept | null = before === null ? null : JSON.parse(before);
    const identity = kept === null ? await Identity.generate(client) : await Identity.fromMnemonic(client, kept.words);
    const account = await identity.account(room.registry);
    const demo = new Demo(client, prover, room, account, kept ?? { words: await identity.mnemonic() });
    demo.#keep();
    show("room-name", `“${room.policy.name}”: ${room.policy.limitCap} messages in ${room.policy.epochSeconds} seconds`);
    show("identity", short(account.commitment()));
    show("words", demo.#kept.words);
    return demo;
  }

  #keep(): void {
    sessionStorage.setItem(KEPT, JSON.stringify(this.#kept));
  }

  /** Continues after a reload, or waits for the button. */
  async begin(): Promise<void> {
    const { index } = this.#kept;
    if (index === undefined) {
      state("Not a member", "unready");
      element<HTMLButtonElement>("join").disabled = false;
    } else {
      await this.#enter(index, () => Ledger.open(this.#client, this.#account));
    }
  }

  async join(): Promise<void> {
    const button = element<HTMLButtonElement>("join");
    button.disabled = true;
    try {
      // Before the deposit, which could not post without it.
      const { ledger, owner } = await this.#ledger();
      state("Depositing", "waiting");
      const joined = (await ask("/demo/join", { commitment: this.#account.commitment() })) as { index: number; depositor: string };
      // This page made the identity, which could not post before the deposit's receipt.
      await ledger.confirmCurrent();
      this.#kept.empty = [...(await ledgers<Uint8Array>((store) => store.get(owner)))];
      this.#kept.index = joined.index;
      this.#keep();
      event(`Wallet ${short(joined.depositor)} locked 10 tokens for member ${joined.index}. It does not know who writes what.`);
      await this.#enter(joined.index, () => Ledger.open(this.#client, this.#account));
    } catch (error) {
      button.disabled = this.#kept.index !== undefined;
      state("Not a member", "unready");
      throw error;
    }
  }

  /** Creates the ledger, or opens the one that an earlier attempt to join has created. */
  async #ledger(): Promise<{ ledger: Ledger; owner: string }> {
    const { owner: known } = this.#kept;
    if (known !== undefined) return { ledger: await Ledger.open(this.#client, this.#account), owner: known };
    const others = await ledgers((store) => store.getAllKeys());
    const ledger = await Ledger.create(this.#client, this.#account, { history: "unknown" });
    const owner = String((await ledgers((store) => store.getAllKeys())).find((owner) => !others.includes(owner)));
    this.#kept.owner = owner;
    this.#keep();
    return { ledger, owner };
  }

  /** Prepares a prover for the member with this index. */
  async #enter(index: number, openLedger: () => Promise<Ledger>): Promise<void> {
    state("Finding your path", "waiting");
    const commitment = this.#account.commitment();
    const membership = await Membership.create(this.#client, { index, commitment });
    const hiddenAmong = await this.#synced(membership);
    const { stake, messageLimit } = await membership.member();
    show("deposit", `${stake} tokens, ${messageLimit} messages`);
    show("hidden", `${hiddenAmong} members`);
    state("Preparing", "waiting");
    const prepared = await this.#prover.prepare(this.#account, membership, this.#room);
    this.#member = { membership, prepared, ledger: await openLedger() };
    for (const id of ["say", "send", "badge"]) element<HTMLInputElement>(id).disabled = false;
    element("join").hidden = true;
    state("Ready", "ready");
    await this.tick();
    element("say").focus({ preventScroll: true });
  }

  /** Syncs the membership. The relay follows the chain, and may be slightly behind. */
  async #synced(membership: Membership): Promise<number> {
    const until = Date.now() + JOIN_MS;
    for (;;) {
      try {
        return (await membership.sync(await chainHead(), relayMembers(location.origin))).hiddenAmong;
      } catch (error) {
        const later = error instanceof QuotapassError && ["not_the_chains", "not_yet"].includes(error.code);
        if (!later || Date.now() > until) throw error;
        await pause(500);
      }
    }
  }

  /** Follows the chain at fixed times, not when there is a message to post: that would link the two. */
  async follow(): Promise<void> {
    const member = this.#member;
    if (member === undefined || this.#slashed || this.#busy) return;
    const before = await member.membership.root();
    show("hidden", `${await this.#synced(member.membership)} members`);
    if ((await member.membership.root()) !== before) await member.prepared.update(member.membership);
  }

  async post(message: string): Promise<void> {
    const member = this.#member;
    if (member === undefined || this.#busy) return;
    this.#busy = true;
    element<HTMLButtonElement>("send").disabled = true;
    try {
      const begun = performance.now();
      const { text, left } = await member.prepared.post(message, member.ledger);
      show("took", `${Math.round(performance.now() - begun)} ms`);
      const { verdict } = (await ask("/demo/messages", { scope: ROOM, message, pass: text })) as Line;
      show("answer", `${said(verdict)}; ${left} messages left.`);
      element<HTMLButtonElement>("cheat").disabled = this.#slashed || this.#kept.empty === undefined;
    } catch (error) {
      if (!(error instanceof QuotapassError) || error.nextBegins === undefined) throw error;
      show("answer", `Not sent, by your own browser: ${error.message}.`);
    } finally {
      this.#busy = false;
      element<HTMLButtonElement>("send").disabled = this.#slashed;
      await this.tick();
    }
  }

  /** Restores the empty count, as a cheater would, and sends messages with used numbers. */
  async cheat(): Promise<void> {
    const { empty, owner } = this.#kept;
    if (empty === undefined || owner === undefined) return;
    element<HTMLButtonElement>("cheat").disabled = true;
    await ledgers((store) => store.put(new Uint8Array(empty), owner));
    for (const message of ["Buy my coin!", "Buy my other coin!"]) {
      if (!this.#slashed) await this.post(message);
    }
  }

  async badge(): Promise<void> {
    const member = this.#member;
    if (member === undefined) return;
    const button = element<HTMLButtonElement>("badge");
    button.disabled = true;
    try {
      const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
      const chatKey = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
      const { text, pseudonym } = await this.#prover.badge(this.#account, member.membership, this.#room, chatKey);
      const answer = (await ask("/v1/badges", { scope: ROOM, pass: text })) as { verdict: string; holder?: { chat_key: string } };
      const held = answer.holder?.chat_key === "second" ? "it has another chat key already, and the relay says so" : "this is its chat key from now on";
      show("badges", answer.verdict === "accepted" ? `Accepted: depositor ${short(pseudonym)} of this room; ${held}.` : said(answer.verdict));
    } finally {
      button.disabled = this.#slashed;
    }
  }

  /** Shows the status of the quota. */
  async tick(): Promise<void> {
    const member = this.#member;
    if (member === undefined || this.#slashed) return;
    const quota = await member.ledger.quotaLeft(this.#room, member.membership);
    show("left", String(quota.left));
    show("next", `${Math.max(0, quota.nextBegins - seconds())} s`);
  }

  /** A member lost the deposit; it may be this one. */
  lost(commitment: string): void {
    if (commitment !== this.#account.commitment()) return;
    this.#slashed = true;
    state("Slashed", "unready");
    show("deposit", "lost");
    show("left", "0");
    for (const id of ["say", "send", "badge", "cheat"]) element<HTMLInputElement>(id).disabled = true;
    element("renew").hidden = false;
  }
}

/** Accesses the package's ledgers in this browser directly, without the package. */
async function ledgers<T>(work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const settled = <R>(asked: IDBRequest<R>) =>
    new Promise<R>((resolve, reject) => {
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });
  const database = await settled(indexedDB.open("quotapass"));
  try {
    return await settled(work(database.transaction("ledgers", "readwrite").objectStore("ledgers")));
  } finally {
    database.close();
  }
}

function said(verdict: string): string {
  return verdict === "accepted" ? "Accepted" : `Refused: ${verdict.replaceAll("_", " ")}`;
}

function append(list: HTMLElement, item: HTMLElement): void {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(item);
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function event(text: string): void {
  const item = document.createElement("li");
  item.textContent = text;
  append(element("events"), item);
}

/** Shows a message with its verdict, and everything that the relay saw of it. */
function line({ number, message, verdict, seen }: Line): void {
  const item = document.createElement("li");
  item.id = `line-${number}`;
  const row = document.createElement("div");
  row.className = "said";
  const text = document.createElement("span");
  text.textContent = message;
  const judged = document.createElement("span");
  judged.className = `verdict ${verdict === "accepted" ? "accepted" : "rejected"}`;
  judged.textContent = said(verdict);
  row.append(text, judged);
  item.append(row);
  if (seen !== undefined) {
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    summary.textContent = "What the relay saw";
    const table = document.createElement("table");
    for (const [name, value] of Object.entries(seen)) {
      const entry = table.insertRow();
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = name.replaceAll("_", " ");
      entry.append(head);
      entry.insertCell().textContent = String(value);
    }
    const note = document.createElement("p");
    note.className = "quiet";
    note.textContent = "No name, no wallet, no member. Each message has another nullifier, unless a number is used twice.";
    details.append(summary, table, note);
    item.append(details);
  }
  append(element("lines"), item);
}

function listen(demo: Demo): void {
  const messages = new EventSource("/demo/messages");
  messages.onmessage = ({ data }) => line(JSON.parse(data));
  const relay = new EventSource("/v1/events");
  const on = (name: string, heard: (told: { commitment: string; members: number; settlement: unknown }) => void) => {
    relay.addEventListener(name, ({ data }) => heard(JSON.parse(data)));
  };
  on("root_changed", ({ members }) => {
    event(`The tree of members has changed: ${members} deposits.`);
    void tried(() => demo.follow());
  });
  on("convicted", ({ commitment }) => {
    event(`A member used a number twice. The two messages give away the secret of ${short(commitment)}.`);
    demo.lost(commitment);
  });
  on("slashed", ({ commitment }) => event(`The deposit of ${short(commitment)} is slashed: half for the relay, half burnt.`));
}

async function main(): Promise<void> {
  const demo = await Demo.open();
  listen(demo);
  const click = (id: string, work: () => Promise<void>) => element(id).addEventListener("click", () => void tried(work));
  click("join", () => demo.join());
  click("badge", () => demo.badge());
  click("cheat", () => demo.cheat());
  click("renew", async () => {
    sessionStorage.removeItem(KEPT);
    location.reload();
  });
  element("form").addEventListener("submit", (submitted) => {
    submitted.preventDefault();
    const field = element<HTMLInputElement>("say");
    const message = field.value.trim();
    field.value = "";
    if (message !== "") void tried(() => demo.post(message));
  });
  setInterval(() => void tried(() => demo.follow()), SYNC_MS);
  setInterval(() => void demo.tick().catch(() => undefined), TICK_MS);
  await demo.begin();
}

await tried(main);
