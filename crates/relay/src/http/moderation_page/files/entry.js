// The entries that moderators write: strikes and lifts.

import { base64url, concat, fromBase64url, hasCrypto, hex, sha256, text as fromUtf8, utf8 } from "./bytes.js";

export const REASONS = {
  spam: "Spam", malware: "Malware", harassment: "Harassment", hate: "Hate", nudity: "Nudity", violence: "Violence",
  csam: "Sexual abuse of children", impersonation: "Impersonation", illegal: "Illegal for another reason", other: "Other",
};
export const GROUNDS = { incompatible: "Against the rules", illegal: "Illegal" };
export const BECAUSE = { appeal: "an appeal was granted", error: "it was an error", expired: "its time was over" };
/** How long a strike holds unless stated, in days. */
export const STRIKE_DAYS = 180;
const MAX_TEXT = 65_536;

/** A moment in milliseconds as RFC 3339 in whole seconds. */
export const moment = (millis) => `${new Date(Math.floor(millis / 1000) * 1000).toISOString().slice(0, 19)}Z`;

/** A moment in milliseconds from its text. */
export function readMoment(text) {
  const millis = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(millis) || moment(millis) !== text) throw new Error("expected a time like 2026-11-27T20:00:00Z");
  return millis;
}

/** A UUID of version 7 (RFC 9562). */
export function newId(millis, random = crypto.getRandomValues(new Uint8Array(10))) {
  const time = Math.floor(millis).toString(16).padStart(12, "0");
  const bytes = Uint8Array.from(random);
  bytes[0] = (bytes[0] & 0x0f) | 0x70;
  bytes[2] = (bytes[2] & 0x3f) | 0x80;
  const digits = time + hex(bytes);
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join("-");
}

/** A statement of reasons with its salt: without the salt, its text cannot be guessed from the hash in the log. */
export async function salt(text, random = crypto.getRandomValues(new Uint8Array(32))) {
  const bytes = concat(random, utf8(text));
  if (bytes.length > 32 + MAX_TEXT) throw new Error("a statement of reasons has at most 65,536 bytes; shorten it");
  return { encoded: base64url(bytes), sha256: hex(await sha256(bytes)) };
}

/** Reads the text of salt and text in base64url or bytes, which must have this hash. */
export async function unsalt(salted, digest) {
  if (!hasCrypto()) throw new Error("this browser cannot check the statement of reasons here; open this page over https");
  const bytes = typeof salted === "string" ? fromBase64url(salted) : salted;
  if (bytes.length < 32 || hex(await sha256(bytes)) !== digest) throw new Error("the statement of reasons is not the one that the entry names");
  return fromUtf8(bytes.slice(32));
}

/** A strike of a post in the queue. `choice` has reason, ground, reference, until and
 * found_by_program; `text` is the hash of its reasons. */
export function strike(post, registry, choice, text, now) {
  const reference = choice.reference.trim();
  if (reference === "") throw new Error("name the rule or the law that the post is against");
  if (choice.until !== "never" && readMoment(choice.until) <= now) throw new Error("the strike must end in the future");
  return {
    id: newId(now), at: moment(now), kind: "strike",
    entry: { x: post.x, y: post.y, nullifier: post.nullifier },
    registry, scope: post.scope, epoch_seconds: post.epoch_seconds, epoch: String(post.epoch),
    pass: hex(fromBase64url(post.pass)),
    reason: choice.reason, ground: { kind: choice.ground, reference },
    text, until: choice.until,
    // A person decides on this page, also when a program pointed at the post.
    automated_detection: choice.found_by_program, automated_decision: false,
  };
}

/** The lift of a strike. */
export const lift = (strike, because, now) => ({ id: newId(now), at: moment(now), kind: "lift", strike, because });
