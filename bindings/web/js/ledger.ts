import type { Client } from "./client.js";
import { QuotapassError } from "./errors.js";
import type { Account } from "./identity.js";
import type { Membership } from "./membership.js";
import { type Room, roomArgument } from "./room.js";
import { now as clock } from "./time.js";
import type { LedgerOptions, QuotaStatus } from "./types.js";

/**
 * Which message ids of an account are used up on this device. Two messages under one id cost the deposit.
 *
 * A ledger is created once, on purpose, and opened ever after. One that is missing or damaged is an error, never a new
 * ledger. All tabs and workers of an origin share it: reserving an id is one readwrite transaction of IndexedDB, which the
 * browser serialises, and which is complete on the disk before a proof is made.
 *
 * It cannot see that a whole profile was set back, or that the site's storage was cleared and a ledger created anew: create
 * one with `history: "unknown"` then, and likewise when in doubt.
 */
export class Ledger {
  /** @internal */
  readonly account: Account;
  readonly #client: Client;
  /** Whether the browser has promised not to clear the storage on its own; known after `create`. */
  readonly persisted: boolean | undefined;

  private constructor(client: Client, account: Account, persisted?: boolean) {
    this.#client = client;
    this.account = account;
    this.persisted = persisted;
  }

  /** Creates the account's ledger on this device. Fails with `ledger_exists` if there is one. */
  static async create(client: Client, account: Account, options: LedgerOptions): Promise<Ledger> {
    const { history, share = { device: 0, devices: 1 }, replace = false, now } = options;
    if (history !== "none" && history !== "unknown") {
      throw new QuotapassError("invalid_argument", "say whether the history is `none` or `unknown`; choose `unknown` in doubt");
    }
    if (replace && history !== "unknown") {
      throw new QuotapassError("invalid_argument", "a ledger is replaced only by one whose history is `unknown`");
    }
    const suspectUntil = history === "unknown" ? (now ?? clock()) : null;
    const { persisted } = await client.turn(undefined, async (turn) => {
      return turn.call("createLedger", await turn.use(account), { suspectUntil, ...share, replace });
    });
    return new Ledger(client, account, persisted);
  }

  /** Opens the account's ledger. Fails with `ledger_missing` if there is none on this device. */
  static async open(client: Client, account: Account): Promise<Ledger> {
    await client.turn(undefined, async (turn) => turn.call("openLedger", await turn.use(account)));
    return new Ledger(client, account);
  }

  /** How the quota of a member in a room stands. */
  quotaLeft(room: Room, membership: Membership, { now }: { readonly now?: number } = {}): Promise<QuotaStatus> {
    return this.#client.turn(undefined, async (turn) => {
      const [account, member] = [await turn.use(this.account), await turn.use(membership)];
      return turn.call("quotaLeft", account, member, roomArgument(room), now ?? clock());
    });
  }

  /**
   * Takes back an unknown history: you know that no id was used but those in the ledger. Should that be wrong, the next
   * message can cost the deposit.
   */
  async confirmCurrent(): Promise<void> {
    await this.#client.turn(undefined, async (turn) => turn.call("confirmCurrent", await turn.use(this.account)));
  }
}
