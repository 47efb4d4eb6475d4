import type { ErrorCode } from "./codes.js";

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
