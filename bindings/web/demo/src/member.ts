/**
 * The member of this tab: joins, posts, cheats and shows badges. Secrets stay in the worker of `@quotapass/web`, which
 * makes the proofs. Only a commitment, once, and messages with their passes leave the page.
 */

import {
  type Account,
  type ChainHead,
  type Client,
  Identity,
  type KeySources,
  Ledger,
  Membership,
  type PostEntry,
  type PreparedProver,
  Prover,
  QuotapassError,
  type Reason,
  type Registry,
  Room,
  relayMembers,
  start,
} from "../../js/index.js";

import { type Kept, type Unsent, fromBase64, ownEntry, read, toBase64, write } from "./kept.js";
import { reported } from "./lines.js";
import { Moderation } from "./moderation.js";
import { type Line, Unanswered, ask } from "./server.js";
import { asked, element, enable, event, hide, show, state } from "./view.js";
import { GONE, TRY_AGAIN, UNREACHED, said, short } from "./words.js";

/** The objects that a member needs to post. */
interface Ready {
  readonly membership: Membership;
  readonly prepared: PreparedProver;
  readonly ledger: Ledger;
}

/** A pass with its message. */
interface Proved extends Unsent {
  readonly entry: PostEntry;
}

const ROOM = "lobby";
/** The messages of a cheater. They differ, so two passes with one number give the secret away. */
const SPAM = ["Buy my coin!", "Buy my other coin!"];
/** Tries to cheat. The relay may answer that it is too busy, or that a pass is late. */
const CHEATS = 3;

const seconds = () => Math.floor(Date.now() / 1_000);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** The registry and the newest tree: the part of the app, and of an endpoint that the relay does not control. */
interface Head {
  readonly registry: Registry;
  readonly root: string;
  readonly member_count: number;
}

async function chainHead(): Promise<ChainHead> {
  const { root, member_count } = (await ask("/demo/head")) as Head;
  return { root, memberCount: member_count };
}

export class Demo {
  readonly #client: Client;
  readonly #prover: Prover;
  readonly #room: Room;
  readonly #account: Account;
  readonly #moderation: Moderation;
  readonly #kept: Kept;
  #ready: Ready | undefined;
  #busy = false;
  #isFollowing = false;

  private constructor(client: Client, prover: Prover, room: Room, account: Account, moderation: Moderation, kept: Kept) {
    this.#client = client;
    this.#prover = prover;
    this.#room = room;
    this.#account = account;
    this.#moderation = moderation;
    this.#kept = kept;
  }

  /** Starts the module while keys and policy are fetched. */
  static async open(): Promise<Demo> {
    const { worker, wasm, wasmThreads } = element("script").dataset;
    if (worker === undefined || wasm === undefined || wasmThreads === undefined) throw new Error("the page does not name its files");
    const policy = ask("/v1/policy");
    const client = start({ worker, wasm, wasmThreads });
    // Their errors are reported where they are awaited, which may be after another one.
    for (const begun of [policy, client]) begun.catch(() => undefined);
    // The keys of moderation are loaded later, while the state is another one.
    let isOpening = true;
    const prover = await Prover.load(client, (await ask("/demo/keys")) as KeySources, {
      onProgress: ({ circuit, step }) => isOpening && state(`Key of ${circuit}s: ${step}`, "waiting"),
    });
    isOpening = false;
    hide("development", !prover.isDevelopment);
    const room = Room.fromPolicy(await policy, ROOM);
    const before = read();
    const started = await client;
    const identity = before === null ? await Identity.generate(started) : await Identity.fromMnemonic(started, before.words);
    // The app's registry, never the one that a relay names: accounts of another registry are other identities.
    const { registry } = (await ask("/demo/head")) as Head;
    const account = await identity.account(registry);
    const kept = before ?? { words: await identity.mnemonic() };
    write(kept);
    const moderation = await Moderation.open(started, prover, room, account, kept);
    show("room-name", `“${room.policy.name}”: ${room.policy.limitCap} messages in ${room.policy.epochSeconds} seconds`);
    show("identity", short(account.commitment()));
    show("words", kept.words);
    return new Demo(started, prover, room, account, moderation, kept);
  }

  /** Continues after a reload, or waits for the button. */
  async begin(): Promise<void> {
    const { index, lost } = this.#kept;
    if (lost) {
      this.#lost();
    } else if (index === undefined) {
      state("Not a member", "unready");
      hide("join", false);
    } else {
      await this.#enter(index);
    }
  }

  async join(): Promise<void> {
    enable("join", false);
    let joined: { index: number; depositor: string };
    try {
      // Before the deposit, which could not post without it.
      const { ledger, owner } = await this.#ledger();
      state("Depositing", "waiting");
      joined = (await ask("/demo/join", { commitment: this.#account.commitment() })) as { index: number; depositor: string };
      // This page made the identity, which could not post before the deposit's receipt.
      await ledger.confirmCurrent();
      this.#kept.empty = [...(await ledgers<Uint8Array>((store) => store.get(owner)))];
      this.#kept.index = joined.index;
      write(this.#kept);
      event(`Wallet ${short(joined.depositor)} locked 10 tokens for member ${joined.index}. It does not know who writes what.`);
    } catch (error) {
      state("Not a member", "unready");
      enable("join");
      throw error;
    }
    await this.#enter(joined.index);
  }

  /** Creates the ledger, or opens the one that an earlier attempt to join has created. */
  async #ledger(): Promise<{ ledger: Ledger; owner: string }> {
    const { owner: known } = this.#kept;
    if (known !== undefined) return { ledger: await Ledger.open(this.#client, this.#account), owner: known };
    const others = await ledgers((store) => store.getAllKeys());
    const ledger = await Ledger.create(this.#client, this.#account, { history: "unknown" });
    const owner = String((await ledgers((store) => store.getAllKeys())).find((owner) => !others.includes(owner)));
    this.#kept.owner = owner;
    write(this.#kept);
    return { ledger, owner };
  }

  /** Prepares a prover for the member with this index. */
  async #enter(index: number): Promise<void> {
    hide("join");
    state("Finding your path", "waiting");
    try {
      const membership = await this.#membership(index);
      const hiddenAmong = await this.#synced(membership);
      const { stake, messageLimit } = await membership.member();
      show("deposit", `${stake} tokens, ${messageLimit} messages`);
      show("hidden", `${hiddenAmong} members`);
      state("Preparing", "waiting");
      await this.#moderation.look();
      if (this.#moderation.isStruck) return this.#showStanding();
      const { lists } = this.#moderation;
      const prepared = await this.#prover.prepare(this.#account, membership, this.#room, { lists });
      this.#ready = { membership, prepared, ledger: await Ledger.open(this.#client, this.#account) };
    } catch (error) {
      if (error instanceof QuotapassError && error.code === GONE) return this.#lost();
      if (this.#struck(error)) return;
      state("Not ready", "unready");
      throw error;
    }
    this.#showStanding();
    this.#showUnsent("the page was loaded again before the answer");
    await this.tick();
  }

  async #membership(index: number): Promise<Membership> {
    const { membership } = this.#kept;
    if (membership !== undefined) return Membership.fromBytes(this.#client, fromBase64(membership));
    return Membership.create(this.#client, { index, commitment: this.#account.commitment() });
  }

  /** Syncs the membership, and keeps it for a reload. */
  async #synced(membership: Membership): Promise<number> {
    const { hiddenAmong } = await membership.sync(chainHead, relayMembers(location.origin));
    this.#kept.membership = toBase64(membership.toBytes());
    write(this.#kept);
    return hiddenAmong;
  }

  /** Follows the chain at fixed times, not when there is a message to post: that would link the two. */
  async follow(): Promise<void> {
    const { index, lost } = this.#kept;
    const ready = this.#ready;
    const { isStruck } = this.#moderation;
    // A member who was struck before the prover was prepared has none yet.
    if (index === undefined || lost || this.#busy || this.#isFollowing || (ready === undefined && !isStruck)) return;
    this.#isFollowing = true;
    try {
      await this.#moderation.look();
      if (ready === undefined) {
        if (!this.#moderation.isStruck) await this.#enter(index);
        return;
      }
      if (!this.#moderation.isStruck) await ready.prepared.refresh();
      if (!this.#kept.lost) this.#showStanding();
      const before = await ready.membership.root();
      show("hidden", `${await this.#synced(ready.membership)} members`);
      if ((await ready.membership.root()) !== before) await ready.prepared.update(ready.membership);
    } catch (error) {
      // The page shows that there is no connection, and the next time comes soon.
      if (error instanceof Unanswered || (error instanceof QuotapassError && error.code === UNREACHED)) return;
      if (this.#struck(error)) return;
      if (!(error instanceof QuotapassError && error.code === GONE)) throw error;
      this.#lost();
    } finally {
      this.#isFollowing = false;
    }
  }

  /** Shows the strikes if an error is about them. */
  #struck(error: unknown): boolean {
    if (!(error instanceof QuotapassError) || error.strikes === undefined) return false;
    this.#moderation.show(error.strikes);
    this.#showStanding();
    return true;
  }

  /** Shows whether this member can write. */
  #showStanding(): void {
    if (this.#moderation.isStruck) state("Struck", "unready");
    else state("Ready", "ready");
    this.#enable();
  }

  async appeal(): Promise<void> {
    enable("appeal-send", false);
    try {
      await this.#moderation.appeal();
    } finally {
      enable("appeal-send");
    }
  }

  /** Reports a message of another member, for a reason that the reader chooses. */
  async report({ number, message, seen }: Line): Promise<void> {
    const ready = this.#ready;
    if (ready === undefined || this.#kept.lost || this.#moderation.isStruck) {
      show("answer", "Only members who can write here can report messages.");
      return;
    }
    show("report-what", message);
    const chosen = await asked("report");
    if (chosen === undefined || number === undefined) return;
    show("answer", "Proving the report.");
    show("answer", await this.#moderation.report(ready.membership, String(seen?.["nullifier"]), chosen.get("reason") as Reason));
    reported(number);
  }

  /** Deletes a message of this member. */
  async remove({ message, seen }: Line): Promise<void> {
    const entry = ownEntry(this.#kept, seen?.["nullifier"]);
    if (entry === undefined) return;
    show("delete-what", message);
    if ((await asked("delete")) === undefined) return;
    await this.#moderation.remove(entry);
    show("answer", "Deleted. The proof said that its author deletes it, and not who that is.");
  }

  /**
   * Posts the text of the field. If the same text was not delivered before, its pass is sent again: the first one may have
   * arrived.
   */
  async post(): Promise<void> {
    const field = element<HTMLInputElement>("say");
    const message = field.value.trim();
    if (message === "") return;
    if (this.#ready === undefined || this.#busy) {
      show("answer", "Not sent yet: your text is kept until you are a member, and ready.");
      return;
    }
    field.value = "";
    await this.#alone(async () => {
      const { unsent } = this.#kept;
      try {
        await this.#deliver(unsent?.message === message ? unsent : await this.#prove(message));
      } catch (error) {
        if (!(error instanceof QuotapassError) || error.nextBegins === undefined) throw error;
        show("answer", `Not sent, by your own browser: ${error.message}.`);
      } finally {
        // The text is kept unless it was accepted or the writer has already begun another one.
        if (this.#failed && field.value === "") field.value = message;
      }
    });
  }

  /** Sends the message again that was not delivered. */
  async again(): Promise<void> {
    const { unsent } = this.#kept;
    const field = element<HTMLInputElement>("say");
    if (unsent === undefined) return;
    await this.#alone(() => this.#deliver(unsent));
    if (!this.#failed && field.value.trim() === unsent.message) field.value = "";
  }

  /** Whether the last message was not accepted. */
  #failed = false;

  /** Runs an action that posts, if no other one runs. */
  async #alone(work: () => Promise<void>): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    this.#failed = true;
    this.#enable();
    try {
      await work();
    } catch (error) {
      if (!this.#struck(error)) throw error;
    } finally {
      this.#busy = false;
      this.#enable();
      await this.tick();
    }
  }

  /** Makes a pass. It is kept until it is delivered. */
  async #prove(message: string): Promise<Proved> {
    const proved = await this.#pass(message, seconds());
    this.#kept.unsent = { message, pass: proved.pass, left: proved.left };
    write(this.#kept);
    return proved;
  }

  async #pass(message: string, now: number): Promise<Proved> {
    const { prepared, ledger } = this.#ready as Ready;
    const begun = performance.now();
    const { text, entry, left } = await prepared.post(message, ledger, { now });
    show("took", `${Math.round(performance.now() - begun)} ms`);
    // The message may come back on the stream before the answer.
    this.#kept.mine = [...(this.#kept.mine ?? []), entry];
    write(this.#kept);
    return { message, pass: text, left, entry };
  }

  /** Sends a pass. If the list of struck posts has changed since it was made, it is made once more, with the same number. */
  async #deliver({ message, pass, left }: Unsent, isRenewed = false): Promise<void> {
    try {
      const { verdict } = (await ask("/demo/messages", { scope: ROOM, message, pass })) as Line;
      if (verdict === "list_mismatch" && !isRenewed) {
        await this.#ready?.prepared.refresh();
        return await this.#deliver(await this.#prove(message), true);
      }
      if (TRY_AGAIN.has(verdict)) throw new Unanswered(said(verdict));
      delete this.#kept.unsent;
      write(this.#kept);
      hide("unsent");
      // The relay knows the pass only if an earlier try arrived.
      this.#failed = verdict !== "accepted" && verdict !== "replay";
      show("answer", this.#failed ? `${said(verdict)}. Your text is kept.` : `Accepted; ${left} messages left.`);
      if (verdict === "slashed_member") this.#lost();
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      this.#showUnsent(error.message);
      show("answer", "Not delivered. Your text is kept.");
    }
  }

  #showUnsent(reason: string): void {
    const { unsent } = this.#kept;
    hide("unsent", unsent === undefined);
    if (unsent === undefined) return;
    show("unsent-text", `Not delivered: “${unsent.message}” (${reason}). Sent again with the same pass, it uses no further number.`);
    const field = element<HTMLInputElement>("say");
    if (field.value === "") field.value = unsent.message;
  }

  /**
   * Cheats: restores the empty count before each of two different messages, so that both have the same number in the same
   * epoch. Two such messages give away the secret of their sender.
   */
  async cheat(): Promise<void> {
    const { empty, owner } = this.#kept;
    if (empty === undefined || owner === undefined || this.#ready === undefined) return;
    await this.#alone(async () => {
      for (let tries = 0; tries < CHEATS && !this.#kept.lost; tries += 1) {
        // One moment for both: an epoch may end in between.
        const now = seconds();
        const verdicts: string[] = [];
        for (const message of SPAM) {
          await ledgers((store) => store.put(new Uint8Array(empty), owner));
          const { pass } = await this.#pass(message, now);
          const { verdict } = (await ask("/demo/messages", { scope: ROOM, message, pass })) as Line;
          verdicts.push(verdict);
        }
        show("answer", `You cheated. The relay's answers: ${verdicts.map(said).join("; ")}.`);
        if (verdicts.includes("slashed_member")) this.#lost();
        if (verdicts.includes("quota_exceeded")) return;
        await pause(1_000);
      }
    });
  }

  async badge(): Promise<void> {
    if (this.#ready === undefined) return;
    enable("badge", false);
    try {
      const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
      const chatKey = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
      const { text, pseudonym } = await this.#prover.badge(this.#account, this.#ready.membership, this.#room, chatKey);
      const answer = (await ask("/v1/badges", { scope: ROOM, pass: text })) as { verdict: string; holder?: { chat_key: string } };
      const held = answer.holder?.chat_key === "second" ? "it has another chat key already, and the relay says so" : "this is its chat key from now on";
      show("badges", answer.verdict === "accepted" ? `Accepted: depositor ${short(pseudonym)} of this room; ${held}.` : said(answer.verdict));
    } finally {
      this.#enable();
    }
  }

  /** Shows the status of the quota. */
  async tick(): Promise<void> {
    const ready = this.#ready;
    if (ready === undefined || this.#kept.lost) return;
    const quota = await ready.ledger.quotaLeft(this.#room, ready.membership);
    show("left", String(quota.left));
    show("next", `${Math.max(0, quota.nextBegins - seconds())} s`);
  }

  /** Whether a message is this member's own. */
  isMine({ seen }: Line): boolean {
    return ownEntry(this.#kept, seen?.["nullifier"]) !== undefined;
  }

  /** A member lost the deposit; it may be this one. */
  convicted(commitment: string): void {
    if (commitment === this.#account.commitment()) this.#lost();
  }

  /** Explains that the deposit is lost. This member cannot send anything more. */
  #lost(): void {
    this.#kept.lost = true;
    delete this.#kept.unsent;
    write(this.#kept);
    state("Slashed", "unready");
    show("deposit", "lost");
    show("left", "0");
    hide("unsent");
    hide("struck");
    hide("lost", false);
    this.#enable();
  }

  /** Enables what can be done now. */
  #enable(): void {
    const { isStruck } = this.#moderation;
    const can = this.#ready !== undefined && !this.#kept.lost && !isStruck;
    enable("say", !this.#kept.lost && !isStruck);
    for (const id of ["send", "again", "cheat"]) enable(id, can && !this.#busy);
    enable("badge", this.#ready !== undefined && !this.#kept.lost);
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
