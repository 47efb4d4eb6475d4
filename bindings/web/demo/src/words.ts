/** What the page says in plain words. */

import type { ErrorCode, Reason, Strike, VerdictName } from "../../js/index.js";
import type { Moderated } from "./server.js";

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
  list_mismatch: "The moderation list moved on; prove the message again",
};

/** Says a verdict. A newer relay may have one that this page does not know. */
export function said(verdict: string): string {
  return (VERDICTS as Readonly<Record<string, string>>)[verdict] ?? `Refused: ${verdict.replaceAll("_", " ")}`;
}

/** What moderation can make of a message that readers do not see. */
const STATES: Readonly<Record<Moderated["state"], string>> = {
  visible: "",
  held: "Held: members reported it, and a moderator decides.",
  hidden: "Hidden by a moderator.",
  deleted: "Deleted by its author.",
};

/** Says what moderation made of a message; nothing if it made nothing of it. */
export function marked(state: Moderated["state"], isStruck: boolean): string {
  const struck = isStruck ? "Struck by a moderator: its author cannot write here for now." : "";
  return [STATES[state], struck].filter((text) => text !== "").join(" ");
}

/** The reasons of reports and strikes. */
export const REASONS: Readonly<Record<Reason, string>> = {
  spam: "spam",
  malware: "malware",
  harassment: "harassment",
  hate: "hate",
  nudity: "nudity",
  violence: "violence",
  csam: "sexual abuse of children",
  impersonation: "impersonation",
  illegal: "illegal content",
  other: "another reason",
};

/** Says why a post was struck, and until when. */
export function whyStruck({ details }: Strike): string {
  if (details === null) return "The log does not say now why; the page asks again.";
  const { reason, ground, until } = details;
  const law = ground.kind === "illegal" ? "the law" : "the rules";
  const end = until === null ? "without an end" : `until ${new Date(until * 1_000).toLocaleString()}`;
  return `Reason: ${REASONS[reason]}, against ${law}: ${ground.reference}. It is in force ${end}, unless it is lifted.`;
}

/** The verdicts after which the same pass may be sent again: the relay recorded nothing, or may be slightly behind. */
export const TRY_AGAIN: ReadonlySet<string> = new Set<VerdictName>(["overloaded", "unknown_root"]);

/** Errors of the package that mean: this member is no longer in the tree. */
export const GONE: ErrorCode = "removed";

/** The package's error for a server that does not answer. */
export const UNREACHED: ErrorCode = "source_failed";

export function short(value: string): string {
  return value.length > 14 ? `${value.slice(0, 8)}…${value.slice(-4)}` : value;
}

/** Formats a time of the day, in the reader's own time zone. */
export function clock(unixSeconds: number): string {
  return new Date(unixSeconds * 1_000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}
