/** Stable name of an error. */
export type ErrorCode =
  /** An argument is not valid; the message says which one and why. */
  | "invalid_argument"
  /** The words are not a mnemonic. */
  | "invalid_mnemonic"
  /** Bytes do not decode; the message says where. */
  | "malformed"
  /** A key cannot be read, or belongs to another circuit. */
  | "invalid_key"
  /** A key is valid, but not trusted. */
  | "untrusted_key"
  /** A key could not be fetched. */
  | "fetch_failed"
  /** The fetched file does not have the expected hash. */
  | "hash_mismatch"
  /** The prover was loaded without the key that this call needs. */
  | "no_key"
  /** The membership was never synced. */
  | "never_synced"
  /** The deposit is not in the tree yet. */
  | "not_yet"
  /** The member has left or was slashed. */
  | "removed"
  /** Another identity has the index. */
  | "other_member"
  /** The source's tree differs from the chain's. */
  | "not_the_chains"
  /** The source did not answer. */
  | "source_failed"
  /** The app does not pin the room's policy. */
  | "policy_not_pinned"
  /** Two relays state different policies of a room. */
  | "policy_differs"
  /** Stake or age do not meet the room's requirement. */
  | "ineligible"
  /** All messages of the epoch are sent; `nextBegins` is the start of the next epoch. */
  | "quota_used"
  /** The limit leaves this device no messages. */
  | "nothing_for_device"
  /** The clock went back. */
  | "epoch_left"
  /** The ledger may be older than the last use; `nextBegins` is the time when posting resumes. */
  | "may_be_stale"
  /** This account has no ledger. */
  | "ledger_missing"
  /** This account already has a ledger. */
  | "ledger_exists"
  /** The ledger's record cannot be read. */
  | "ledger_damaged"
  /** The ledger belongs to another account. */
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
  /** The WebAssembly module ended unexpectedly. The next call starts a new one, and the client keeps working. */
  | "trapped";

/** The error class of this package. */
export class QuotapassError extends Error {
  override readonly name = "QuotapassError";
  /** The stable name of the error. */
  readonly code: ErrorCode;
  /** Unix second from which messages can be sent again, for `quota_used`, `epoch_left` and `may_be_stale`. */
  readonly nextBegins?: number;

  constructor(code: ErrorCode, message: string, nextBegins?: number) {
    super(message);
    this.code = code;
    if (nextBegins !== undefined) this.nextBegins = nextBegins;
  }
}

/** The form in which the worker sends an error. */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly nextBegins?: number;
}

/**
 * Converts a thrown value to an error of this package. A `TypeError` or `DataCloneError` is a wrong argument,
 * everything else a trap.
 */
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
