import type { ErrorCode } from "./codes.js";
import type { ForkedLog, Strike } from "./types.js";

/** What some errors have beside their message. */
export interface ErrorDetails {
  /** Unix second from which messages can be sent again, for `quota_used`, `epoch_left` and `may_be_stale`. */
  readonly nextBegins?: number;
  /** The strikes of the account, for `struck`: which posts, why, until when, and where to appeal. */
  readonly strikes?: readonly Strike[];
  /** Two checkpoints that prove that a log has two histories, for `log_refused`. */
  readonly checkpoints?: ForkedLog;
}

/** The error class of this package. */
export class QuotapassError extends Error {
  override readonly name = "QuotapassError";
  /** The stable name of the error. */
  readonly code: ErrorCode;
  /** Unix second from which messages can be sent again, for `quota_used`, `epoch_left` and `may_be_stale`. */
  readonly nextBegins?: number;
  /** The strikes of the account, for `struck`: which posts, why, until when, and where to appeal. */
  readonly strikes?: readonly Strike[];
  /** Two checkpoints that prove that a log has two histories, for `log_refused`. */
  readonly checkpoints?: ForkedLog;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message);
    this.code = code;
    Object.assign(this, detailsOf(details));
  }
}

/** The form in which the worker sends an error. */
export interface PlainError extends ErrorDetails {
  readonly code: ErrorCode;
  readonly message: string;
}

/** The details of a value, and nothing else of it. */
function detailsOf({ nextBegins, strikes, checkpoints }: ErrorDetails): ErrorDetails {
  return {
    ...(nextBegins === undefined ? {} : { nextBegins }),
    ...(strikes === undefined ? {} : { strikes }),
    ...(checkpoints === undefined ? {} : { checkpoints }),
  };
}

/**
 * Converts a thrown value to an error of this package. A `TypeError` or `DataCloneError` is a wrong argument,
 * everything else a trap.
 */
export function toPlainError(thrown: unknown): PlainError {
  const error = (thrown ?? {}) as Partial<PlainError>;
  const { code, message } = error;
  if (typeof code === "string" && typeof message === "string") return { code, message, ...detailsOf(error) };
  const { name } = (thrown ?? {}) as Partial<Error>;
  if (name === "TypeError" || name === "DataCloneError") {
    return { code: "invalid_argument", message: `an argument is of the wrong type (${String(thrown)})` };
  }
  return { code: "trapped", message: `the module ended unexpectedly (${String(thrown)}); try again` };
}

export function fromPlainError({ code, message, ...details }: PlainError): QuotapassError {
  return new QuotapassError(code, message, details);
}
