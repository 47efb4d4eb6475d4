/** What the page says in plain words. */

import type { ErrorCode, VerdictName } from "../../js/index.js";

/** The verdicts of a relay. */
const VERDICTS: Readonly<Record<VerdictName, string>> = {
  accepted: "Accepted",
  replay: "Refused: the relay has this message already",
  quota_exceeded: "Refused: two different messages have the same number (quota exceeded)",
  slashed_member: "Refused: the sender has lost the deposit",
  unknown_root: "Refused: the relay does not know this list of members yet",
  stale_root: "Refused: the list of members in the pass is too old",
  epoch_out_of_range: "Refused: the pass is for another minute",
  requirement_mismatch: "Refused: the pass was made for the rules of another room",
  restricted: "Refused: the sender may not write in this room for now",
  invalid_proof: "Refused: the proof is wrong",
  malformed: "Refused: the message has no readable pass",
  overloaded: "The relay is too busy, and recorded nothing",
};

/** Says a verdict. A newer relay may have one that this page does not know. */
export function said(verdict: string): string {
  return (VERDICTS as Readonly<Record<string, string>>)[verdict] ?? `Refused: ${verdict.replaceAll("_", " ")}`;
}

/** The verdicts after which the same pass may be sent again: the relay recorded nothing, or may be slightly behind. */
export const TRY_AGAIN: ReadonlySet<string> = new Set<VerdictName>(["overloaded", "unknown_root"]);

/** Errors of the package that mean: this member is no longer in the tree. */
export const GONE: ErrorCode = "removed";

export function short(value: string): string {
  return value.length > 14 ? `${value.slice(0, 8)}…${value.slice(-4)}` : value;
}

/** Formats a time of the day, in the reader's own time zone. */
export function clock(unixSeconds: number): string {
  return new Date(unixSeconds * 1_000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
