import type { Id, LaterCircuit } from "./calls.js";
import { type Client, Handle, type OnProgress, type Place, type Turn } from "./client.js";
import { QuotapassError } from "./errors.js";
import type { Account } from "./identity.js";
import { readKey, readKeys } from "./keys.js";
import type { Ledger } from "./ledger.js";
import { type Lists, requireLists } from "./lists.js";
import type { Membership } from "./membership.js";
import { type Room, roomArgument } from "./room.js";
import { now as clock } from "./time.js";
import type {
  AuthorRequest,
  Badge,
  CallOptions,
  KeySources,
  LoadOptions,
  Post,
  PostEntry,
  PrepareOptions,
  RefreshOptions,
  RelayAnswer,
  Report,
  ReportOptions,
  ReportRequest,
  Strike,
  TimedOptions,
} from "./types.js";
import { Verifier } from "./verifier.js";

/** Works in a turn: in a new one, or in one that is held already. */
type InTurn = <T>(work: (turn: Turn) => Promise<T>) => Promise<T>;

/** Verified proving keys. */
export class Prover extends Handle {
  readonly #sources: KeySources;
  readonly #onProgress: LoadOptions["onProgress"];
  /** Origin of the keys, as text. */
  readonly origin: string;
  /** Whether one of them is a development key, with which anyone can forge proofs. */
  readonly isDevelopment: boolean;

  private constructor(
    client: Client,
    make: (turn: Turn) => Promise<Id>,
    place: Place,
    { origin, isDevelopment }: { origin: string; isDevelopment: boolean },
    sources: KeySources,
    onProgress: LoadOptions["onProgress"],
  ) {
    super(client, make, place);
    this.#sources = sources;
    this.#onProgress = onProgress;
    this.origin = origin;
    this.isDevelopment = isDevelopment;
  }

  /**
   * Loads the keys for posts and badges from the cache, or fetches them. The client may be the promise of `start`: the keys
   * are then fetched while the module starts. The other keys are loaded when a room with moderation needs them.
   */
  static async load(client: Client | Promise<Client>, sources: KeySources, { trusted = [], onProgress, signal }: LoadOptions = {}): Promise<Prover> {
    const again = async (turn: Turn) => {
      const { post, badge } = await readKeys(sources, {});
      return (await turn.call("loadProver", post, badge, [...trusted])).id;
    };
    // Fetched before the turn, so that other calls can use the module in the meantime. If both fail, one error is reported.
    const [keys, started] = await Promise.all([readKeys(sources, { onProgress, signal }), client]);
    return started.turn(signal, async (turn) => {
      for (const [circuit, key] of [["post", keys.post], ["badge", keys.badge]] as const) {
        if (key !== null) onProgress?.({ circuit, step: "reading", loaded: key.length, total: key.length });
      }
      const { id, ...facts } = await turn.call("loadProver", keys.post, keys.badge, [...trusted]);
      return new Prover(started, again, { generation: turn.generation, id }, facts, sources, onProgress);
    });
  }

  /**
   * Prepares for posts of a member in a room: seven eighths of the work of a proof, done once. In a room with lists it also
   * prepares the proofs that the member wrote none of the listed posts, and fails with `struck` if it did: the error's
   * `strikes` say which post, why, until when, and where to appeal.
   */
  prepare(account: Account, membership: Membership, room: Room, options: PrepareOptions = {}): Promise<PreparedProver> {
    return PreparedProver.of(this.client, { prover: this, account, membership, room }, options);
  }

  /** @internal Loads the keys that the records of lists need, if they are not loaded. */
  async loadRecords(lists: Lists, inTurn: InTurn, signal: AbortSignal | undefined): Promise<void> {
    const isLarge = await inTurn(async (turn) => turn.call("needLarge", await turn.use(lists)));
    await this.#loadKeys(isLarge ? ["record16", "record128"] : ["record16"], inTurn, signal);
  }

  async #loadKeys(circuits: readonly LaterCircuit[], inTurn: InTurn, signal: AbortSignal | undefined): Promise<void> {
    for (const circuit of circuits) {
      if (!(await inTurn(async (turn) => turn.call("needsKey", await turn.use(this), circuit)))) continue;
      const source = this.#sources[circuit];
      if (source === undefined) {
        throw new QuotapassError("no_key", `the prover was loaded without the key of \`${circuit}\`; name it in its sources`);
      }
      const key = await readKey(circuit, source, { onProgress: this.#onProgress, signal });
      this.#onProgress?.({ circuit, step: "reading", loaded: key.length, total: key.length });
      await inTurn(async (turn) => turn.call("addKey", await turn.use(this), circuit, key));
    }
  }

  /**
   * Proves that a post is the account's own and that its author deletes it: the body of `POST /v1/author` at the relay that
   * accepted the post. A deletion is final. `entry` is that of the post. Nothing shows which member wrote it, or links it to
   * other posts. Fails with `not_the_author` for a post of another account.
   */
  deletion(account: Account, room: Room, entry: PostEntry, options: TimedOptions = {}): Promise<AuthorRequest> {
    return this.#author(account, room, room.policy.name, entry, null, options);
  }

  /**
   * Appeals against a strike, with a text of at most 4,000 bytes in UTF-8: the body of `POST /v1/author` at one of the
   * strike's servers. Only the author of the struck post can do this, and stays unknown.
   */
  appeal(account: Account, room: Room, { entry, details }: Strike, text: string, options: TimedOptions = {}): Promise<AuthorRequest> {
    return this.#author(account, room, details?.scope ?? room.policy.name, entry, text, options);
  }

  async #author(
    account: Account,
    room: Room,
    scope: string,
    { x, y, nullifier }: PostEntry,
    text: string | null,
    { signal, now }: TimedOptions,
  ): Promise<AuthorRequest> {
    const inTurn: InTurn = (work) => this.client.turn(signal, work);
    await this.#loadKeys(["author"], inTurn, signal);
    return inTurn(async (turn) => {
      const [prover, of] = [await turn.use(this), await turn.use(account)];
      const entry = JSON.stringify({ x, y, nullifier });
      return turn.call("author", prover, of, roomArgument(room), scope, entry, text, now ?? clock());
    });
  }

  /**
   * Reports a post by its nullifier: the body of `POST /v1/report` at the relay that accepted it. A member reports a post at
   * most once, and needs no ledger for it. In a room with recipients the report is encrypted to them by `encrypt`; in a room
   * without, it has a reason alone. Fails with `report_refused` if the room does not take it.
   */
  async report(
    account: Account,
    membership: Membership,
    room: Room,
    nullifier: string,
    report: Report,
    { signal, now, lists, encrypt }: ReportOptions = {},
  ): Promise<ReportRequest> {
    requireLists(room, lists);
    const inTurn: InTurn = (work) => this.client.turn(signal, work);
    const { bytes, encrypt: isForRecipients } = await inTurn((turn) => turn.call("reportBody", roomArgument(room), reportText(report)));
    const recipients = room.policy.moderation?.reportRecipients ?? [];
    if (isForRecipients && encrypt === undefined) {
      const what = `reports in \`${room.policy.name}\` are encrypted to its recipients`;
      throw new QuotapassError("report_refused", `${what}; pass \`encryptReport\` of @quotapass/web/age as \`encrypt\``);
    }
    const body = isForRecipients && encrypt !== undefined ? await encrypt(bytes, recipients) : bytes;
    await lists?.check(account, { ...(signal === undefined ? {} : { signal }) });
    await this.#loadKeys(["author"], inTurn, signal);
    if (lists !== undefined) await this.loadRecords(lists, inTurn, signal);
    return inTurn(async (turn) => {
      const [prover, of, member] = [await turn.use(this), await turn.use(account), await turn.use(membership)];
      const read = lists === undefined ? null : await turn.use(lists);
      return turn.call("report", prover, of, member, read, roomArgument(room), nullifier, body, isForRecipients, now ?? clock());
    });
  }

  /**
   * Makes a badge, which proves that a chat key belongs to a member, and shows the member's only pseudonym in the room.
   */
  badge(
    account: Account,
    membership: Membership,
    room: Room,
    chatKey: Uint8Array,
    { signal, now }: TimedOptions = {},
  ): Promise<Badge> {
    return this.client.turn(signal, async (turn) => {
      const [prover, of, member] = [await turn.use(this), await turn.use(account), await turn.use(membership)];
      return turn.call("badge", prover, of, member, roomArgument(room), chatKey, now ?? clock());
    });
  }

  /**
   * The bytes to sign with a badge's chat key, where a relay asks for proof that the badge is not a copy. `challenge` is the
   * 32 bytes that the relay returns at `/v1/badges/challenge`. An Ed25519 key signs the bytes, a secp256k1 key their
   * SHA-256, with a low s. Sign only for relays that are trusted with the room: another relay could show the signature
   * elsewhere as its own.
   */
  badgeChallengeMessage(room: Room, challenge: Uint8Array, { signal }: CallOptions = {}): Promise<Uint8Array> {
    return this.client.turn(signal, async (turn) => turn.call("badgeChallengeMessage", roomArgument(room), challenge));
  }

  /** The verifier with the same keys. */
  verifier(): Verifier {
    return new Verifier(this.client, this);
  }
}

/** The JSON of a report. */
function reportText({ reason, comment, message, pass }: Report): string {
  return JSON.stringify({
    reason,
    comment,
    ...(message === undefined ? {} : typeof message === "string" ? { message } : messageOf(message)),
    pass: pass && base64url(pass),
  });
}

/** A message in bytes: as text if it is UTF-8, otherwise as hexadecimal digits. */
function messageOf(bytes: Uint8Array): { message: string } | { message_hex: string } {
  try {
    return { message: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { message_hex: Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("") };
  }
}

function base64url(bytes: Uint8Array): string {
  const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Prepares the records of a prepared prover. */
async function prepareLists(turn: Turn, prepared: Id, prover: Prover, lists: Lists, onProgress: OnProgress | undefined): Promise<void> {
  turn.onProgress = onProgress;
  await turn.call("prepareLists", prepared, await turn.use(prover), await turn.use(lists));
}

interface Preparation {
  readonly prover: Prover;
  readonly account: Account;
  readonly membership: Membership;
  readonly room: Room;
  readonly lists?: Lists | undefined;
}

/** What a prepared prover moves to. */
interface Latest {
  membership: Membership;
}

/**
 * A prover that is prepared for the messages of one member in one room. The room's requirement on the age of a deposit
 * depends on the day: the first post of a day prepares again, which takes as long as the first time.
 */
export class PreparedProver extends Handle {
  readonly room: Room;
  readonly #preparation: Preparation;
  readonly #latest: Latest;

  private constructor(
    client: Client,
    make: (turn: Turn) => Promise<Id>,
    place: Place,
    preparation: Preparation,
    latest: Latest,
  ) {
    super(client, make, place);
    this.room = preparation.room;
    this.#preparation = preparation;
    this.#latest = latest;
  }

  /** @internal */
  static async of(client: Client, preparation: Preparation, options: PrepareOptions): Promise<PreparedProver> {
    const { prover, account, room } = preparation;
    const { signal, now, stake, lists, onProgress } = options;
    requireLists(room, lists);
    const latest: Latest = { membership: preparation.membership };
    const prepare = async (turn: Turn, onProgress?: OnProgress): Promise<Id> => {
      const [key, of, member] = [await turn.use(prover), await turn.use(account), await turn.use(latest.membership)];
      const id = await turn.call("prepare", key, of, member, roomArgument(room), stake ?? null, now ?? clock());
      if (lists !== undefined) await prepareLists(turn, id, prover, lists, onProgress);
      return id;
    };
    // A module that was started anew has none of the keys that were added.
    const again = async (turn: Turn): Promise<Id> => {
      if (lists !== undefined) await prover.loadRecords(lists, (work) => work(turn), undefined);
      return prepare(turn);
    };
    if (lists !== undefined) {
      await lists.check(account, options);
      await prover.loadRecords(lists, (work) => client.turn(signal, work), signal);
    }
    return client.turn(signal, async (turn) => {
      const place = { generation: turn.generation, id: await prepare(turn, onProgress) };
      return new PreparedProver(client, again, place, { ...preparation, lists }, latest);
    });
  }

  /** The root that messages are proved against. */
  root(): Promise<string> {
    return this.client.turn(undefined, async (turn) => turn.call("preparedRoot", await turn.use(this)));
  }

  /** Moves to the root of a synced membership. Only the changed part of the path is computed again. */
  async update(membership: Membership, { signal }: CallOptions = {}): Promise<void> {
    await this.client.turn(signal, async (turn) => {
      await turn.call("update", await turn.use(this), await turn.use(membership));
      this.#latest.membership = membership;
    });
  }

  /**
   * Reads the newest lists of the room, and prepares the proofs for them: only what changed in a list is computed again.
   * Call it at fixed times, and if a relay answers `list_mismatch`. Fails with `struck` if the account was struck since.
   * Nothing is done in a room without lists.
   */
  async refresh({ signal, now, onProgress }: RefreshOptions = {}): Promise<void> {
    const { prover, account, lists } = this.#preparation;
    if (lists === undefined) return;
    const options = { ...(signal === undefined ? {} : { signal }), ...(now === undefined ? {} : { now }) };
    await lists.sync(options);
    await lists.check(account, options);
    await prover.loadRecords(lists, (work) => this.client.turn(signal, work), signal);
    await this.client.turn(signal, async (turn) => prepareLists(turn, await turn.use(this), prover, lists, onProgress));
  }

  /**
   * Posts a message: durably reserves a message id in the ledger, and only then proves. If the post is cancelled or
   * fails after the reservation, the id stays used.
   *
   * The same message has the same id when it is posted again in the same epoch, for example because the relay did not
   * answer, or with a newer list: the relay then takes it as a replay, and not as a second message.
   */
  post(message: string | Uint8Array, ledger: Ledger, { signal, now }: TimedOptions = {}): Promise<Post> {
    const bytes = typeof message === "string" ? new TextEncoder().encode(message) : message;
    return this.client.turn(signal, async (turn) => {
      return turn.call("post", await turn.use(this), await turn.use(ledger.account), bytes, now ?? null);
    });
  }

  /**
   * Posts a message, and gives the post to `send`, which sends it to a relay and returns the answer. If the relay answers
   * `list_mismatch`, this reads the newest lists, proves again under the same message id, and sends once more.
   */
  async send<T extends RelayAnswer>(
    message: string | Uint8Array,
    ledger: Ledger,
    send: (post: Post) => Promise<T>,
    options: RefreshOptions = {},
  ): Promise<T> {
    const answer = await send(await this.post(message, ledger, options));
    if (answer.verdict !== "list_mismatch" || this.#preparation.lists === undefined) return answer;
    await this.refresh(options);
    return send(await this.post(message, ledger, options));
  }
}
