import { withDatabase } from "./database.js";
import { answered } from "./time.js";

/** Time in which a storage must answer, in seconds. */
export const STORAGE_SECONDS = 10;

/** Result of a change of a record: the new bytes to store, if any, and a result for the caller. */
export interface Change<T> {
  readonly bytes?: Uint8Array;
  readonly result: T;
}

/**
 * Storage of ledgers: one record of bytes for each owner. It also has one record for each moderation log that was read,
 * named `log-` and its identity: what the reader must remember of the log.
 *
 * An implementation must guarantee: changes of one record exclude each other, from all tabs, threads and processes that
 * share the storage; a change that throws leaves the record unchanged; and `change` returns only when the new bytes
 * would survive a power loss. Otherwise a message id may be used twice, which costs the deposit.
 *
 * A call fails with `storage_failed` if the storage throws, or does not answer within ten seconds. `change` throws if it is
 * called after that.
 */
export interface LedgerStorage {
  /**
   * Changes the record of an owner. `change` is synchronous, and gets null if there is no record. It may be called again
   * with newer bytes, if another process was first; only the last call counts.
   */
  change<T>(owner: string, change: (bytes: Uint8Array | null) => Change<T>): Promise<T>;
  /** Asks the browser to keep the storage until the user clears it; returns whether the browser agreed. */
  persist(): Promise<boolean>;
}

/**
 * Ledgers in IndexedDB. Readwrite transactions on a store run one after the other in all tabs and workers of an origin.
 */
export class IndexedDbLedgers implements LedgerStorage {
  change<T>(owner: string, change: (bytes: Uint8Array | null) => Change<T>): Promise<T> {
    const changing = (database: IDBDatabase) => new Promise<T>((resolve, reject) => {
      // Strict: `complete` is sent when the system reports that the data is on the disk.
      const transaction = database.transaction("ledgers", "readwrite", { durability: "strict" });
      const store = transaction.objectStore("ledgers");
      let changed: Change<T> | undefined;
      const read = store.get(owner);
      read.onsuccess = () => {
        try {
          changed = change(asBytes(read.result));
          if (changed.bytes !== undefined) store.put(changed.bytes, owner);
        } catch (error) {
          reject(error);
          transaction.abort();
        }
      };
      transaction.oncomplete = () => (changed === undefined ? reject(new Error("no record was read")) : resolve(changed.result));
      transaction.onabort = () => reject(transaction.error ?? new Error("the browser ended the transaction"));
    });
    return withDatabase(changing);
  }

  /** Always false in a worker, which cannot ask. `Ledger.create` asks in the page. */
  persist(): Promise<boolean> {
    return persistPage();
  }
}

/** Asks the browser to keep the storage of the page until the user clears it. False if it does not agree, or not in time. */
export async function persistPage(): Promise<boolean> {
  try {
    return (await answered(Promise.resolve(globalThis.navigator?.storage?.persist?.()), STORAGE_SECONDS)) ?? false;
  } catch {
    return false;
  }
}

/** A record of another type is damaged; it is read as zero bytes, which is never a valid ledger. */
function asBytes(record: unknown): Uint8Array | null {
  if (record === undefined) return null;
  return record instanceof Uint8Array ? record : new Uint8Array();
}
