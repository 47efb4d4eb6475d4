import type { Id } from "./calls.js";
import { type Client, Handle, type Place, type Turn } from "./client.js";
import type { Account } from "./identity.js";
import { readKeys } from "./keys.js";
import type { Ledger } from "./ledger.js";
import type { Membership } from "./membership.js";
import { type Room, roomArgument } from "./room.js";
import { now as clock } from "./time.js";
import type { Badge, CallOptions, KeySources, LoadOptions, Post, TimedOptions } from "./types.js";
import { Verifier } from "./verifier.js";

/** Verified proving keys. */
export class Prover extends Handle {
  /** Origin of the keys, as text. */
  readonly origin: string;
  /** Whether one of them is a development key, with which anyone can forge proofs. */
  readonly isDevelopment: boolean;

  private constructor(
    client: Client,
    make: (turn: Turn) => Promise<Id>,
    place: Place,
    { origin, isDevelopment }: { origin: string; isDevelopment: boolean },
  ) {
    super(client, make, place);
    this.origin = origin;
    this.isDevelopment = isDevelopment;
  }

  /**
   * Loads keys from the cache, or fetches them. The client may be the promise of `start`: the keys are then fetched while
   * the module starts.
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
      return new Prover(started, again, { generation: turn.generation, id }, facts);
    });
  }

  /** Prepares for posts of a member in a room: seven eighths of the work of a proof, done once. */
  prepare(account: Account, membership: Membership, room: Room, options: TimedOptions = {}): Promise<PreparedProver> {
    return PreparedProver.of(this.client, { prover: this, account, membership, room }, options);
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

interface Preparation {
  readonly prover: Prover;
  readonly account: Account;
  readonly membership: Membership;
  readonly room: Room;
}

/**
 * A prover that is prepared for the messages of one member in one room. The room's requirement on the age of a deposit
 * depends on the day: the first post of a day prepares again, which takes as long as the first time.
 */
export class PreparedProver extends Handle {
  readonly room: Room;
  readonly #latest: { membership: Membership };

  private constructor(
    client: Client,
    make: (turn: Turn) => Promise<Id>,
    place: Place,
    room: Room,
    latest: { membership: Membership },
  ) {
    super(client, make, place);
    this.room = room;
    this.#latest = latest;
  }

  /** @internal */
  static of(client: Client, preparation: Preparation, { signal, now }: TimedOptions): Promise<PreparedProver> {
    const { prover, account, room } = preparation;
    const latest = { membership: preparation.membership };
    const prepare = async (turn: Turn) => {
      const [key, of, member] = [await turn.use(prover), await turn.use(account), await turn.use(latest.membership)];
      return turn.call("prepare", key, of, member, roomArgument(room), now ?? clock());
    };
    return client.turn(signal, async (turn) => {
      const place = { generation: turn.generation, id: await prepare(turn) };
      return new PreparedProver(client, prepare, place, room, latest);
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
   * Posts a message: durably reserves a message id in the ledger, and only then proves. If the post is cancelled or
   * fails after the reservation, the id stays used.
   */
  post(message: string | Uint8Array, ledger: Ledger, { signal, now }: TimedOptions = {}): Promise<Post> {
    const bytes = typeof message === "string" ? new TextEncoder().encode(message) : message;
    return this.client.turn(signal, async (turn) => {
      return turn.call("post", await turn.use(this), await turn.use(ledger.account), bytes, now ?? null);
    });
  }
}
