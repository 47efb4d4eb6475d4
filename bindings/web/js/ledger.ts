import type { Client } from "./client.js";
import { QuotapassError } from "./errors.js";
import type { Account } from "./identity.js";
import { persistPage } from "./ledger-storage.js";
import type { Membership } from "./membership.js";
import { type Room, isSameRegistry, roomArgument } from "./room.js";
import { now as clock } from "./time.js";
import type { LedgerOptions, QuotaStatus } from "./types.js";

/**
 * The used message ids of an account on this device. Two messages with the same id cost the deposit.
 *
 * A ledger is created explicitly, once, and opened from then on. A missing or damaged ledger is an error; it is never
 * replaced automatically. All tabs and workers of an origin share it: a reservation is one readwrite transaction of
 * IndexedDB, which the browser serialises, and which is complete on the disk before a proof is made.
 *
 * It cannot detect that a whole profile was set back, or that the site's storage was cleared and the ledger created
 * again. In these cases, and when in doubt, create it with `history: "unknown"`.
 */
export class Ledger {
  /** @internal */
  readonly account: Account;
  readonly #client: Client;
  /** Whether the browser agreed not to clear the storage by itself; known after `create`. */
  readonly persisted: boolean | undefined;

  private constructor(client: Client, account: Account, persisted?: boolean) {
    this.#client = client;
    this.account = account;
    this.persisted = persisted;
  }

  /** Creates the account's ledger on this device. Fails with `ledger_exists` if it exists. */
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
    return new Ledger(client, account, persisted || (await persistPage()));
  }

  /** Opens the account's ledger. Fails with `ledger_missing` if it does not exist on this device. */
  static async open(client: Client, account: Account): Promise<Ledger> {
    await client.turn(undefined, async (turn) => turn.call("openLedger", await turn.use(account)));
    return new Ledger(client, account);
  }

  /**
   * Returns the status of the account's quota in a room of its registry. Fails with `other_member` if the membership is
   * another account's.
   */
  quotaLeft(room: Room, membership: Membership, { now }: { readonly now?: number } = {}): Promise<QuotaStatus> {
    return this.#client.turn(undefined, async (turn) => {
      if (!isSameRegistry(room.registry, this.account.registry)) {
        throw new QuotapassError("invalid_argument", "the ledger's account and the room belong to different registries");
      }
      const [account, member] = [await turn.use(this.account), await turn.use(membership)];
      return turn.call("quotaLeft", account, member, roomArgument(room), now ?? clock());
    });
  }

  /**
   * Undoes an unknown history: you know that no ids were used except those in the ledger. If this is wrong, the next
   * message can cost the deposit.
   */
  async confirmCurrent(): Promise<void> {
    await this.#client.turn(undefined, async (turn) => turn.call("confirmCurrent", await turn.use(this.account)));
  }
}
