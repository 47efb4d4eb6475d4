import { type Client, Handle, type Place, type Turn, abortion } from "./client.js";
import { QuotapassError } from "./errors.js";
import { type Room, roomArgument } from "./room.js";
import { now as clock } from "./time.js";
import type { ChainHead, MeetingOptions, Member, MembersSource, OwnMembership, SyncOptions, Synced } from "./types.js";

/** If fewer members than this meet a room's requirement, a wallet should warn before it posts. */
export const MIN_ANONYMITY = 50;

/** Time for which a source that differs from the chain is asked again, and the pause between two attempts. */
const PATIENCE_MS = 30_000;
const PAUSE_MS = 500;

/**
 * A member's data of the tree, all of it checked against the chain: the path of the member, from a source that does not
 * learn which member it is.
 *
 * Sync at fixed times, for example once per epoch, and not when there is a message to post: a request just before each
 * message links the two.
 */
export class Membership extends Handle {
  #known: { bytes: Uint8Array };

  private constructor(client: Client, known: { bytes: Uint8Array }, place: Place) {
    super(client, (turn) => turn.call("readMembership", this.#known.bytes), place);
    this.#known = known;
  }

  static #make(client: Client, make: (turn: Turn) => Promise<number>): Promise<Membership> {
    return client.turn(undefined, async (turn) => {
      const id = await make(turn);
      const bytes = await turn.call("membershipBytes", id);
      return new Membership(client, { bytes }, { generation: turn.generation, id });
    });
  }

  /** Creates a membership without data: sync it. */
  static create(client: Client, { index, commitment }: OwnMembership): Promise<Membership> {
    return Membership.#make(client, (turn) => turn.call("newMembership", index, commitment));
  }

  /** Reads the bytes of `toBytes`. The next sync checks them against the chain. */
  static fromBytes(client: Client, bytes: Uint8Array): Promise<Membership> {
    return Membership.#make(client, (turn) => turn.call("readMembership", bytes));
  }

  /**
   * Creates a membership from a list of all members in the order of their deposits, null for removed ones: for tests
   * and small groups.
   */
  static fromList(
    client: Client,
    { index, commitment }: OwnMembership,
    members: readonly (Member | null)[],
  ): Promise<Membership> {
    return Membership.#make(client, (turn) => turn.call("listMembership", index, commitment, members));
  }

  /**
   * Syncs to the chain's root. Requests nothing if the root is unchanged, the upper nodes if the root has changed, and
   * also its group of buckets if one of them has changed.
   *
   * A relay follows the chain with a delay, so just after a deposit its tree differs from the chain's. If `head` is a
   * function that reads the head, a source that differs is asked again, with a new head, for `patience` milliseconds. With
   * a given head the sync fails at once, with the code `not_the_chains` or `not_yet`.
   */
  async sync(
    head: ChainHead | (() => Promise<ChainHead>),
    source: MembersSource,
    { signal, patience = PATIENCE_MS }: SyncOptions = {},
  ): Promise<Synced> {
    if (typeof head !== "function") return this.#sync(head, source, signal);
    const end = Date.now() + patience;
    for (;;) {
      try {
        return await this.#sync(await head(), source, signal);
      } catch (error) {
        const isBehind = error instanceof QuotapassError && (error.code === "not_the_chains" || error.code === "not_yet");
        if (!isBehind || Date.now() + PAUSE_MS > end) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      if (signal?.aborted) throw abortion();
    }
  }

  async #sync(head: ChainHead, source: MembersSource, signal: AbortSignal | undefined): Promise<Synced> {
    let upper: Uint8Array | null = null;
    let buckets: [number, Uint8Array][] = [];
    for (;;) {
      const [fetchedUpper, fetchedBuckets] = [upper, buckets];
      const answer = await this.client.turn(signal, async (turn) => {
        const id = await turn.use(this);
        const answer = await turn.call("sync", id, head.root, head.memberCount, fetchedUpper, fetchedBuckets);
        if (answer.needs === null) this.#known = { bytes: await turn.call("membershipBytes", id) };
        return answer;
      });
      if (answer.needs === null) return { asked: answer.asked, hiddenAmong: answer.hiddenAmong };
      if (answer.needs === "upper") {
        upper = await source.upperNodes(signal);
      } else {
        // One after the other, like every wallet.
        buckets = [];
        for (const number of answer.needs) buckets.push([number, await source.bucket(number, signal)]);
      }
    }
  }

  /** The root that the path leads to; null before the first sync. */
  root(): Promise<string | null> {
    return this.client.turn(undefined, async (turn) => turn.call("membershipRoot", await turn.use(this)));
  }

  /** The member with the terms of its deposit. */
  member(): Promise<Member> {
    return this.client.turn(undefined, async (turn) => turn.call("member", await turn.use(this)));
  }

  /**
   * Counts the known members who meet a room's requirement, at a stake level or at the lowest one. A post may come from any member of the tree who meets it,
   * so the count is a lower bound. Warn before posting if it is below `MIN_ANONYMITY`.
   */
  meeting(room: Room, { now, signal, stake }: MeetingOptions = {}): Promise<number> {
    return this.client.turn(signal, async (turn) =>
      turn.call("membersMeeting", await turn.use(this), roomArgument(room), stake ?? null, now ?? clock()),
    );
  }

  /** Returns the data as bytes, for storage. It reveals which member this is: keep it as private as the identity. */
  toBytes(): Uint8Array {
    return this.#known.bytes.slice();
  }
}
