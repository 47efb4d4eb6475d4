import type {
  CallArguments,
  CallName,
  CallResult,
  Id,
  LaterCircuit,
  LogArgument,
  NewLedger,
  RoomArgument,
  SealedSeed,
} from "./calls.js";
import { QuotapassError } from "./errors.js";
import { type Change, type LedgerStorage, STORAGE_SECONDS } from "./ledger-storage.js";
import { answered, now as clock } from "./time.js";
import type { Member, RecordProgress } from "./types.js";
import type * as Module from "../wasm/quotapass_web.js";

/** The classes and functions of the module, with threads or without. */
export type Wasm = Omit<typeof Module, "default" | "initSync">;

/** Bytes of an AES-GCM nonce. */
const NONCE_BYTES = 12;

/** The implementation of each call, synchronous or asynchronous. */
type Implementation = { [N in CallName]: (...args: CallArguments<N>) => CallResult<N> | Promise<CallResult<N>> };

/** The objects of the module, and the calls on them. Only one call runs at a time. */
export class Engine implements Implementation {
  readonly #wasm: Wasm;
  readonly #ledgers: LedgerStorage | null;
  readonly #sealingKey: CryptoKey;
  readonly #objects = new Map<Id, { free(): void }>();
  /** What readers of lists remembered of each log when they were opened. */
  readonly #memories = new Map<Id, LogMemories>();
  #last: Id = 0;
  /** Receives the progress of the call that runs. */
  #onProgress: ((progress: RecordProgress) => void) | undefined;

  constructor(wasm: Wasm, ledgers: LedgerStorage | null, sealingKey: CryptoKey) {
    this.#wasm = wasm;
    this.#ledgers = ledgers;
    this.#sealingKey = sealingKey;
  }

  /** Runs a call by its name. */
  async run<N extends CallName>(
    name: N,
    args: CallArguments<N>,
    onProgress?: (progress: RecordProgress) => void,
  ): Promise<CallResult<N>> {
    this.#onProgress = onProgress;
    const call = this[name] as (...args: CallArguments<N>) => CallResult<N> | Promise<CallResult<N>>;
    return call.apply(this, args);
  }

  #keep(object: { free(): void }): Id {
    this.#last += 1;
    this.#objects.set(this.#last, object);
    return this.#last;
  }

  #get<T>(kind: { readonly prototype: T }, id: Id): T {
    const object: unknown = this.#objects.get(id);
    if (object === undefined) throw new QuotapassError("closed", "this object was closed; create it again");
    if (Object.prototype.isPrototypeOf.call(kind.prototype as object, object as object)) return object as T;
    throw new QuotapassError("invalid_argument", "an argument is an object of another class; look at the order of the arguments");
  }

  generateIdentity(): Promise<{ id: Id; sealed: SealedSeed }> {
    return this.#keepIdentity(this.#wasm.Identity.generate());
  }

  restoreIdentity(words: string): Promise<{ id: Id; sealed: SealedSeed }> {
    return this.#keepIdentity(this.#wasm.Identity.fromMnemonic(words));
  }

  async #keepIdentity(identity: Module.Identity): Promise<{ id: Id; sealed: SealedSeed }> {
    const words = identity.words() as Uint8Array<ArrayBuffer>;
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const content = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce }, this.#sealingKey, words));
    words.fill(0);
    const sealed = new Uint8Array(NONCE_BYTES + content.length);
    sealed.set(nonce);
    sealed.set(content, NONCE_BYTES);
    return { id: this.#keep(identity), sealed };
  }

  async openIdentity(sealed: SealedSeed): Promise<Id> {
    const [nonce, content] = [sealed.slice(0, NONCE_BYTES), sealed.slice(NONCE_BYTES)];
    const words = new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv: nonce }, this.#sealingKey, content));
    try {
      return this.#keep(this.#wasm.Identity.fromWords(words));
    } finally {
      words.fill(0);
    }
  }

  mnemonic(identity: Id): string {
    return this.#get(this.#wasm.Identity, identity).mnemonic();
  }

  account(identity: Id, registry: object, number: number): { id: Id; commitment: string } {
    const account = this.#get(this.#wasm.Identity, identity).account(JSON.stringify(registry), number);
    return { id: this.#keep(account), commitment: account.commitment() };
  }

  newMembership(index: number, commitment: string): Id {
    return this.#keep(this.#wasm.Membership.create(index, commitment));
  }

  readMembership(bytes: Uint8Array): Id {
    return this.#keep(this.#wasm.Membership.fromBytes(bytes));
  }

  listMembership(index: number, commitment: string, members: readonly (Member | null)[]): Id {
    return this.#keep(this.#wasm.Membership.fromList(index, commitment, JSON.stringify(members)));
  }

  sync(...[membership, root, memberCount, upper, buckets]: CallArguments<"sync">): CallResult<"sync"> {
    const [numbers, contents] = [buckets.map(([number]) => number), buckets.map(([, bytes]) => bytes)];
    const known = this.#get(this.#wasm.Membership, membership);
    return JSON.parse(known.sync(root, memberCount, upper ?? undefined, new Uint32Array(numbers), contents));
  }

  membershipRoot(membership: Id): string | null {
    return this.#get(this.#wasm.Membership, membership).root() ?? null;
  }

  membersMeeting(...[membership, room, stake, now]: CallArguments<"membersMeeting">): number {
    return this.#get(this.#wasm.Membership, membership).meeting(JSON.stringify(room), stakeLevel(stake), now);
  }

  member(membership: Id): Member {
    return JSON.parse(this.#get(this.#wasm.Membership, membership).member());
  }

  membershipBytes(membership: Id): Uint8Array {
    return this.#get(this.#wasm.Membership, membership).toBytes();
  }

  loadProver(...[post, badge, trusted]: CallArguments<"loadProver">): CallResult<"loadProver"> {
    const prover = this.#wasm.Prover.fromKeys(post, badge ?? undefined, [...trusted]);
    return { id: this.#keep(prover), origin: prover.origin(), isDevelopment: prover.isDevelopment() };
  }

  needsKey(prover: Id, circuit: LaterCircuit): boolean {
    return !this.#get(this.#wasm.Prover, prover).hasKey(circuit);
  }

  addKey(prover: Id, circuit: LaterCircuit, key: Uint8Array): void {
    this.#get(this.#wasm.Prover, prover).addKey(circuit, key);
  }

  logIdentity(settings: LogArgument): string {
    return this.#wasm.logIdentity(JSON.stringify(settings));
  }

  async openLists(room: RoomArgument, settings: readonly LogArgument[]): Promise<Id> {
    const logs = enforcedLogs(room);
    const stored: LogMemories = { logs, texts: [] };
    for (const log of logs) stored.texts.push(await this.#storeRecord(memoryName(log), (bytes) => ({ result: memoryText(bytes) })));
    const id = this.#keep(this.#wasm.Lists.open(JSON.stringify(room), JSON.stringify(settings), JSON.stringify(stored.texts)));
    this.#memories.set(id, stored);
    return id;
  }

  async readLists(...[id, answers, restart, now]: CallArguments<"readLists">): Promise<CallResult<"readLists">> {
    const lists = this.#get(this.#wasm.Lists, id);
    for (const list of restart) lists.clear(list);
    this.#put(lists, answers);
    for (;;) {
      const outcome: CallResult<"readLists"> | { memories: (string | null)[] } = JSON.parse(lists.refresh(now));
      if (!("memories" in outcome)) return outcome;
      if (await this.#remember(id, outcome.memories)) break;
      // Another tab or process has read more of a log since. Both must have seen one history, so the lists are read again
      // from there.
      lists.reopen(JSON.stringify(this.#memories.get(id)?.texts ?? []));
    }
    // What is remembered is on the disk: the lists may be used.
    lists.stored();
    return { lists: JSON.parse(lists.state()) };
  }

  testLists(...[id, account, answers]: CallArguments<"testLists">): CallResult<"testLists"> {
    const lists = this.#get(this.#wasm.Lists, id);
    this.#put(lists, answers);
    return JSON.parse(lists.test(this.#get(this.#wasm.Account, account)));
  }

  needLarge(lists: Id): boolean {
    return this.#get(this.#wasm.Lists, lists).needLarge();
  }

  #put(lists: Module.Lists, answers: CallArguments<"testLists">[2]): void {
    for (const { list, path, bytes, failure } of answers) lists.put(list, path, bytes ?? undefined, failure);
  }

  /**
   * Stores what a reader of lists remembers of each log. False if a record is another one than the reader began with; it is
   * then left as it is.
   */
  async #remember(id: Id, memories: readonly (string | null)[]): Promise<boolean> {
    const known = this.#memories.get(id) ?? { logs: [], texts: [] };
    let isOurs = true;
    for (const [place, memory] of memories.entries()) {
      const log = known.logs[place];
      if (log === undefined || memory === null) continue;
      const former = known.texts[place] ?? null;
      const kept = await this.#storeRecord(memoryName(log), (bytes) => {
        const found = memoryText(bytes);
        // A record that was cleared does not take away what this reader knows.
        if (found !== null && found !== former && found !== memory) return { result: found };
        return found === memory ? { result: memory } : { bytes: new TextEncoder().encode(memory), result: memory };
      });
      known.texts[place] = kept;
      isOurs &&= kept === memory;
    }
    return isOurs;
  }

  prepare(...[prover, account, membership, room, stake, now]: CallArguments<"prepare">): Id {
    const [of, member] = [this.#get(this.#wasm.Account, account), this.#get(this.#wasm.Membership, membership)];
    const key = this.#get(this.#wasm.Prover, prover);
    return this.#keep(key.prepare(of, member, JSON.stringify(room), stakeLevel(stake), now));
  }

  prepareLists(prepared: Id, prover: Id, lists: Id): void {
    const [key, read] = [this.#get(this.#wasm.Prover, prover), this.#get(this.#wasm.Lists, lists)];
    const report = (list: number, lists: number, entries: number) => this.#onProgress?.({ list, lists, entries });
    this.#get(this.#wasm.PreparedProver, prepared).setLists(key, read, report);
  }

  preparedRoot(prepared: Id): string {
    return this.#get(this.#wasm.PreparedProver, prepared).root();
  }

  update(prepared: Id, membership: Id): void {
    this.#get(this.#wasm.PreparedProver, prepared).update(this.#get(this.#wasm.Membership, membership));
  }

  async post(...[id, account, message, now]: CallArguments<"post">): Promise<CallResult<"post">> {
    const prepared = this.#get(this.#wasm.PreparedProver, id);
    // Everything that can fail runs before an id is used up.
    prepared.ready(now ?? clock());
    const reservation = await this.#change(account, (ledger) => {
      // The clock is read when no other tab holds the ledger.
      const reservation = ledger.reserve(prepared, message, now ?? clock());
      return { bytes: ledger.toBytes(), result: reservation };
    });
    return withBytes(JSON.parse(prepared.prove(reservation, message)));
  }

  author(...[prover, account, room, scope, entry, text, now]: CallArguments<"author">): CallResult<"author"> {
    const of = this.#get(this.#wasm.Account, account);
    const key = this.#get(this.#wasm.Prover, prover);
    return JSON.parse(key.author(of, JSON.stringify(room), scope, entry, text ?? undefined, now));
  }

  reportBody(room: object, body: string): { bytes: Uint8Array; encrypt: boolean } {
    const form = this.#wasm.reportBody(JSON.stringify(room), body);
    try {
      return { bytes: form.bytes(), encrypt: form.encrypt() };
    } finally {
      form.free();
    }
  }

  report(...[prover, account, membership, id, room, nullifier, body, isEncrypted, now]: CallArguments<"report">): CallResult<"report"> {
    const [of, member] = [this.#get(this.#wasm.Account, account), this.#get(this.#wasm.Membership, membership)];
    const [key, place] = [this.#get(this.#wasm.Prover, prover), JSON.stringify(room)];
    // A room without lists has readers of none. In another room this fails, because the settings name no log.
    const lists = id === null ? this.#wasm.Lists.open(place, "[]", "[]") : this.#get(this.#wasm.Lists, id);
    try {
      return JSON.parse(key.report(of, member, lists, place, nullifier, body, isEncrypted, now));
    } finally {
      if (id === null) lists.free();
    }
  }

  badge(...[prover, account, membership, room, chatKey, now]: CallArguments<"badge">): CallResult<"badge"> {
    const [of, member] = [this.#get(this.#wasm.Account, account), this.#get(this.#wasm.Membership, membership)];
    const made = this.#get(this.#wasm.Prover, prover).badge(of, member, JSON.stringify(room), chatKey, now);
    return withBytes(JSON.parse(made));
  }

  badgeChallengeMessage(room: object, challenge: Uint8Array): Uint8Array {
    return this.#wasm.badgeChallengeMessage(JSON.stringify(room), challenge);
  }

  verifyPost(...[prover, room, message, pass, roots, now, lists]: CallArguments<"verifyPost">): CallResult<"verifyPost"> {
    const [verifier, [bytes, text]] = [this.#get(this.#wasm.Prover, prover), forms(pass)];
    if (lists === null) return JSON.parse(verifier.verifyPost(JSON.stringify(room), message, bytes, text, [...roots], now));
    const read = this.#get(this.#wasm.Lists, lists);
    return JSON.parse(read.verify(verifier, JSON.stringify(room), message, bytes, text, [...roots], now));
  }

  verifyBadge(...[prover, room, pass, roots, now]: CallArguments<"verifyBadge">): CallResult<"verifyBadge"> {
    const [verifier, [bytes, text]] = [this.#get(this.#wasm.Prover, prover), forms(pass)];
    const verdict = JSON.parse(verifier.verifyBadge(JSON.stringify(room), bytes, text, [...roots], now));
    if (verdict.verdict === "accepted") verdict.chatKey = fromBase64Url(verdict.chatKey);
    return verdict;
  }

  recover(room: object, first: string, second: string): string {
    return this.#wasm.recover(JSON.stringify(room), first, second);
  }

  recoverSecret(room: object, first: string, second: string): string {
    return this.#wasm.recoverSecret(JSON.stringify(room), first, second);
  }

  async createLedger(account: Id, { suspectUntil, device, devices, replace }: NewLedger): Promise<{ persisted: boolean }> {
    const owner = this.#get(this.#wasm.Account, account);
    await this.#store(owner, (bytes) => {
      if (bytes !== null && !replace) {
        throw new QuotapassError("ledger_exists", "this account has a ledger on this device; open it");
      }
      // The old ledger may have been used at a time that the clock has not reached now.
      const ledger =
        bytes !== null && suspectUntil !== null
          ? this.#wasm.Ledger.replace(bytes, owner, suspectUntil, device, devices)
          : this.#wasm.Ledger.create(owner, suspectUntil ?? undefined, device, devices);
      try {
        return { bytes: ledger.toBytes(), result: undefined };
      } finally {
        ledger.free();
      }
    });
    // The ledger exists now, so a storage that fails here has not agreed.
    const persisted = Promise.resolve().then(() => this.#ledgers?.persist() ?? false);
    return { persisted: await answered(persisted, STORAGE_SECONDS).catch(() => false) };
  }

  async openLedger(account: Id): Promise<void> {
    await this.#change(account, () => ({ result: undefined }));
  }

  async confirmCurrent(account: Id): Promise<void> {
    await this.#change(account, (ledger) => {
      ledger.confirmCurrent();
      return { bytes: ledger.toBytes(), result: undefined };
    });
  }

  quotaLeft(...[account, membership, room, now]: CallArguments<"quotaLeft">): Promise<CallResult<"quotaLeft">> {
    const [owner, member] = [this.#get(this.#wasm.Account, account), this.#get(this.#wasm.Membership, membership)];
    if (this.member(membership).commitment !== owner.commitment()) {
      throw new QuotapassError("other_member", "the membership belongs to another account; use the one of the ledger's account");
    }
    return this.#change(account, (ledger) => ({
      result: JSON.parse(ledger.quotaLeft(JSON.stringify(room), member, now)),
    }));
  }

  close(object: Id): void {
    this.#objects.get(object)?.free();
    this.#objects.delete(object);
    this.#memories.delete(object);
  }

  /** Changes the ledger of an account, which must exist. */
  #change<T>(account: Id, change: (ledger: Module.Ledger) => Change<T>): Promise<T> {
    const owner = this.#get(this.#wasm.Account, account);
    return this.#store(owner, (bytes) => {
      if (bytes === null) {
        throw new QuotapassError(
          "ledger_missing",
          "this account has no ledger on this device; create one, with an unknown history if it may ever have had one",
        );
      }
      const ledger = this.#wasm.Ledger.fromBytes(bytes, owner);
      try {
        return change(ledger);
      } finally {
        ledger.free();
      }
    });
  }

  #store<T>(owner: Module.Account, change: (bytes: Uint8Array | null) => Change<T>): Promise<T> {
    return this.#storeRecord(owner.ledgerName(), change);
  }

  /** Changes the record of a name. A storage that fails, or does not answer, ends this call and not the module. */
  async #storeRecord<T>(name: string, change: (bytes: Uint8Array | null) => Change<T>): Promise<T> {
    if (this.#ledgers === null) {
      throw new QuotapassError("storage_failed", "there is no storage for ledgers; start the client with one");
    }
    let isOver = false;
    const refusals: unknown[] = [];
    const changing = (bytes: Uint8Array | null): Change<T> => {
      if (isOver) throw storageFailed("it answers too late");
      try {
        return change(bytes);
      } catch (error) {
        refusals.push(error);
        throw error;
      }
    };
    try {
      return await answered(this.#ledgers.change(name, changing), STORAGE_SECONDS);
    } catch (error) {
      // An error of the change itself stays what it is: a refusal, or the end of the module.
      throw refusals.length > 0 ? refusals[0] : storageFailed(error);
    } finally {
      isOver = true;
    }
  }
}

/** The logs of a reader's lists, and what it remembers of each. */
interface LogMemories {
  readonly logs: readonly string[];
  readonly texts: (string | null)[];
}

/** The logs of the lists that a room enforces. */
function enforcedLogs({ policy }: RoomArgument): string[] {
  const { lists = [] } = (policy.moderation ?? {}) as { readonly lists?: readonly { readonly log: string }[] };
  return lists.map(({ log }) => String(log));
}

/** The name of the record of a log. Ledgers have other names. */
function memoryName(log: string): string {
  if (!/^[0-9a-f]{64}$/.test(log)) throw new QuotapassError("invalid_argument", `\`${log}\` is not the identity of a log`);
  return `log-${log}`;
}

/** What is stored of a log. A record that is not text is damaged, and is refused by the reader. */
function memoryText(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : new TextDecoder().decode(bytes);
}

/** A stake level as the module takes it: WebAssembly would cut another number off. */
function stakeLevel(stake: number | null): number | undefined {
  if (stake === null) return undefined;
  if (Number.isInteger(stake) && stake >= 0 && stake < 2 ** 32) return stake;
  throw new QuotapassError("invalid_argument", `the stake level ${stake} is not a whole number below 2^32`);
}

function storageFailed(reason: unknown): QuotapassError {
  const what = `the storage failed (${String(reason)}), and nothing was sent`;
  return new QuotapassError("storage_failed", `${what}; try again, and load the page again if it does not help`);
}

/** Splits a pass into bytes or text. */
function forms(pass: Uint8Array | string): [Uint8Array | undefined, string | undefined] {
  return typeof pass === "string" ? [undefined, pass] : [pass, undefined];
}

/** Adds the bytes of a pass to an object with its text. */
function withBytes<T extends { readonly text: string }>(made: T): T & { readonly pass: Uint8Array } {
  return { ...made, pass: fromBase64Url(made.text) };
}

function fromBase64Url(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}
