import { type Client, Handle, type Place, type Turn } from "./client.js";
import { type Room, roomArgument } from "./room.js";
import { now as clock } from "./time.js";
import type { CallOptions, ChainHead, Member, MembersSource, OwnMembership, Synced, TimedOptions } from "./types.js";

/** Among fewer members than this who meet what a room asks for, a wallet should warn before it posts. */
export const MIN_ANONYMITY = 50;

/**
 * What is known of the member tree, all of it checked against the chain: the path of a member, from a source that does
 * not learn whose it is.
 *
 * Sync by the clock, for example once in an epoch, and not when there is something to post: a request just before each
 * message ties the two together.
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

  /** One that knows nothing yet: sync it. */
  static create(client: Client, { index, commitment }: OwnMembership): Promise<Membership> {
    return Membership.#make(client, (turn) => turn.call("newMembership", index, commitment));
  }

  /** Reads what `toBytes` gave. It is checked against the chain by the next sync. */
  static fromBytes(client: Client, bytes: Uint8Array): Promise<Membership> {
    return Membership.#make(client, (turn) => turn.call("readMembership", bytes));
  }

  /** That of a list of all members in the order of their deposits, null for those removed: for tests and small groups. */
  static fromList(
    client: Client,
    { index, commitment }: OwnMembership,
    members: readonly (Member | null)[],
  ): Promise<Membership> {
    return Membership.#make(client, (turn) => turn.call("listMembership", index, commitment, members));
  }

  /**
   * Brings it to the chain's root. Asks for nothing if it is there, for the upper nodes if the root has changed, and
   * besides for its group of buckets if one of them has changed.
   */
  async sync(head: ChainHead, source: MembersSource, { signal }: CallOptions = {}): Promise<Synced> {
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
        // One after the other, as every wallet does.
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
   * How many of the members that are known meet what a room asks for. A post comes from one of all members of the tree who
   * do, so that this is a lower bound. Warn before posting if it is below `MIN_ANONYMITY`.
   */
  meeting(room: Room, { now, signal }: TimedOptions = {}): Promise<number> {
    return this.client.turn(signal, async (turn) =>
      turn.call("membersMeeting", await turn.use(this), roomArgument(room), now ?? clock()),
    );
  }

  /** What is known, to be kept. It says who the member is: keep it as private as the identity. */
  toBytes(): Uint8Array {
    return this.#known.bytes.slice();
  }
}
