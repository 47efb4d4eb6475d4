/** What went wrong, as a stable name. */
export type ErrorCode =
  /** An argument is of the wrong form; the message says which and how. */
  | "invalid_argument"
  /** The words are no mnemonic. */
  | "invalid_mnemonic"
  /** Bytes do not decode; the message says where. */
  | "malformed"
  /** A key cannot be read, or is of another circuit. */
  | "invalid_key"
  /** A key is whole, but not one that is trusted. */
  | "untrusted_key"
  /** A key could not be fetched. */
  | "fetch_failed"
  /** What was fetched does not have the hash expected. */
  | "hash_mismatch"
  /** The prover was loaded without the key that this takes. */
  | "no_key"
  /** Nothing is known of the tree yet. */
  | "never_synced"
  /** The deposit is not in the tree yet. */
  | "not_yet"
  /** The member has left or was slashed. */
  | "removed"
  /** Another identity has the index. */
  | "other_member"
  /** The source's tree is not the chain's. */
  | "not_the_chains"
  /** The source did not answer. */
  | "source_failed"
  /** The room's policy is none of those that the app pins. */
  | "policy_not_pinned"
  /** Two relays state different policies of a room. */
  | "policy_differs"
  /** Stake or age do not meet the room's requirement. */
  | "ineligible"
  /** All messages of the epoch are sent; `nextBegins` says when the next begins. */
  | "quota_used"
  /** The limit leaves this device nothing. */
  | "nothing_for_device"
  /** The clock has gone back. */
  | "epoch_left"
  /** The ledger may be older than what was used; `nextBegins` says when posting resumes. */
  | "may_be_stale"
  /** There is no ledger for this account. */
  | "ledger_missing"
  /** There is a ledger for this account already. */
  | "ledger_exists"
  /** The ledger's record cannot be read. */
  | "ledger_damaged"
  /** The ledger is another account's. */
  | "ledger_of_another"
  /** The browser cannot store, or failed to. */
  | "storage_failed"
  /** The shares do not give a secret. */
  | "cannot_recover"
  /** The proof failed. */
  | "prove_failed"
  /** The handle was closed. */
  | "closed"
  /** The call was cancelled. */
  | "aborted"
  /** The module cannot be started. */
  | "start_failed"
  /** The WebAssembly module ended unexpectedly; it was started anew, and the client goes on working. */
  | "trapped";

/** Every error of this package. */
export class QuotapassError extends Error {
  override readonly name = "QuotapassError";
  /** What went wrong. */
  readonly code: ErrorCode;
  /** Unix second from which messages can be sent again, of `quota_used`, `epoch_left` and `may_be_stale`. */
  readonly nextBegins?: number;

  constructor(code: ErrorCode, message: string, nextBegins?: number) {
    super(message);
    this.code = code;
    if (nextBegins !== undefined) this.nextBegins = nextBegins;
  }
}

/** An error as it crosses from the worker. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly nextBegins?: number;
}

/** Whatever was thrown, as an error of this package. What JavaScript refuses was a wrong argument, all else a trap. */
export function toPlainError(thrown: unknown): PlainError {
  const { code, message, nextBegins } = (thrown ?? {}) as Partial<PlainError>;
  if (typeof code === "string" && typeof message === "string") {
    return nextBegins === undefined ? { code, message } : { code, message, nextBegins };
  }
  const { name } = (thrown ?? {}) as Partial<Error>;
  if (name === "TypeError" || name === "DataCloneError") {
    return { code: "invalid_argument", message: `an argument is of the wrong type (${String(thrown)})` };
  }
  return { code: "trapped", message: `the module ended unexpectedly (${String(thrown)}); try again` };
}

export function fromPlainError({ code, message, nextBegins }: PlainError): QuotapassError {
  return new QuotapassError(code, message, nextBegins);
}
