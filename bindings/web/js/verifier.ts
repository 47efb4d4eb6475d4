import type { Client } from "./client.js";
import { Prover } from "./prover.js";
import { type Room, roomArgument } from "./room.js";
import { now as clock } from "./time.js";
import type { BadgeVerdict, KeySources, LoadOptions, PostFacts, PostVerdict, TimedOptions, VerifyOptions } from "./types.js";

/**
 * Verifier of the passes of others. It keeps no record: the caller must remember nullifiers and check whether one was
 * seen before. An empty list of roots accepts nothing.
 */
export class Verifier {
  readonly #client: Client;
  readonly #prover: Prover;

  /** @internal */
  constructor(client: Client, prover: Prover) {
    this.#client = client;
    this.#prover = prover;
  }

  /** Loads the keys that match those of the provers. */
  static async load(client: Client, sources: KeySources, options: LoadOptions = {}): Promise<Verifier> {
    return (await Prover.load(client, sources, options)).verifier();
  }

  /** Whether one of the keys is a development key, with which anyone can forge proofs. */
  get isDevelopment(): boolean {
    return this.#prover.isDevelopment;
  }

  /**
   * Checks a single post: its pass as bytes or text, against the roots that are accepted now, and in a room with lists
   * against these lists and those that they have replaced within the room's window.
   */
  async verifyPost(
    room: Room,
    message: string | Uint8Array,
    pass: Uint8Array | string,
    acceptedRoots: readonly string[],
    { signal, now, lists }: VerifyOptions = {},
  ): Promise<PostVerdict> {
    const bytes = typeof message === "string" ? new TextEncoder().encode(message) : message;
    lists?.requireFor(room);
    if (lists !== undefined) await this.#prover.loadRecords(lists, (work) => this.#client.turn(signal, work), signal);
    return this.#client.turn(signal, async (turn) => {
      const [prover, read] = [await turn.use(this.#prover), lists === undefined ? null : await turn.use(lists)];
      return turn.call("verifyPost", prover, roomArgument(room), bytes, pass, acceptedRoots, now ?? clock(), read);
    });
  }

  /** Checks a single badge: its pass as bytes or text, against the roots that are accepted now. */
  verifyBadge(
    room: Room,
    pass: Uint8Array | string,
    acceptedRoots: readonly string[],
    { signal, now }: TimedOptions = {},
  ): Promise<BadgeVerdict> {
    return this.#client.turn(signal, async (turn) => {
      return turn.call("verifyBadge", await turn.use(this.#prover), roomArgument(room), pass, acceptedRoots, now ?? clock());
    });
  }

  /** Recovers the commitment of the member who sent two accepted posts with the same nullifier. */
  recover(room: Room, first: PostFacts, second: PostFacts): Promise<string> {
    return this.#client.turn(undefined, (turn) => {
      return turn.call("recover", roomArgument(room), JSON.stringify(first), JSON.stringify(second));
    });
  }

  /** Recovers the identity secret itself, for a slash. Anyone who has it can take the deposit. */
  recoverSecret(room: Room, first: PostFacts, second: PostFacts): Promise<string> {
    return this.#client.turn(undefined, (turn) => {
      return turn.call("recoverSecret", roomArgument(room), JSON.stringify(first), JSON.stringify(second));
    });
  }
}
