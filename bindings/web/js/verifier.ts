import type { Client } from "./client.js";
import { Prover } from "./prover.js";
import { type Room, roomArgument } from "./room.js";
import { now as clock } from "./time.js";
import type { BadgeVerdict, KeySources, LoadOptions, PostFacts, PostVerdict, TimedOptions } from "./types.js";

/**
 * Checks the passes of others. It keeps no record: whether a nullifier was seen before is for the caller to remember,
 * and a list of roots that is empty accepts nothing.
 */
export class Verifier {
  readonly #client: Client;
  readonly #prover: Prover;

  /** @internal */
  constructor(client: Client, prover: Prover) {
    this.#client = client;
    this.#prover = prover;
  }

  /** Loads the keys that go with those of the provers. */
  static async load(client: Client, sources: KeySources, options: LoadOptions = {}): Promise<Verifier> {
    return (await Prover.load(client, sources, options)).verifier();
  }

  /** Whether one of the keys is a development key, with which everybody can forge proofs. */
  get isDevelopment(): boolean {
    return this.#prover.isDevelopment;
  }

  /** The verdict on a post by itself: its pass as bytes or text, under the roots that are accepted now. */
  verifyPost(
    room: Room,
    message: string | Uint8Array,
    pass: Uint8Array | string,
    acceptedRoots: readonly string[],
    { signal, now }: TimedOptions = {},
  ): Promise<PostVerdict> {
    const bytes = typeof message === "string" ? new TextEncoder().encode(message) : message;
    return this.#client.turn(signal, async (turn) => {
      const prover = await turn.use(this.#prover);
      return turn.call("verifyPost", prover, roomArgument(room), bytes, pass, acceptedRoots, now ?? clock());
    });
  }

  /** The verdict on a badge by itself: its pass as bytes or text, under the roots that are accepted now. */
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

  /** The commitment of whoever sent two accepted posts under one nullifier. */
  recover(room: Room, first: PostFacts, second: PostFacts): Promise<string> {
    return this.#client.turn(undefined, (turn) => {
      return turn.call("recover", roomArgument(room), JSON.stringify(first), JSON.stringify(second));
    });
  }

  /** The identity secret itself, for a slash. Whoever has it can take the deposit. */
  recoverSecret(room: Room, first: PostFacts, second: PostFacts): Promise<string> {
    return this.#client.turn(undefined, (turn) => {
      return turn.call("recoverSecret", roomArgument(room), JSON.stringify(first), JSON.stringify(second));
    });
  }
}
