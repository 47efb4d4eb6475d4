// Whether a message and a pass are those of a post: the signal hash x of the post is of the message, and the pass states the
// rest.

import { areEqual, concat, fromHex, hex, utf8 } from "./bytes.js";
import { keccak256 } from "./keccak.js";

/** The field element of a hash: 248 bits, as 32 bytes big-endian. */
function hashToField(tag, ...data) {
  return concat([0], keccak256(concat(utf8(tag), [0], ...data)).slice(0, 31));
}

function number(value, bytes) {
  const digits = BigInt(value).toString(16).padStart(2 * bytes, "0");
  if (digits.length > 2 * bytes) throw new Error(`${value} is too large`);
  return fromHex(digits);
}

/** The 64 hexadecimal digits of x for a message, given as bytes, in a scope and epoch. */
export function signalHash({ registry, scope, epoch_seconds, epoch }, message) {
  const place = concat(number(registry.chain_id, 32), fromHex(registry.address));
  const field = hashToField("quotapass.scope.v1", place, utf8(scope));
  return hex(hashToField("quotapass.signal.v1", field, number(epoch_seconds, 4), number(epoch, 8), message));
}

/** The kinds of passes that accompany a post: alone, and with records. */
const POSTS = [1, 3];
/** Where a pass of version 1 has its epoch's length and number, y and the nullifier. */
const EPOCH = 2;
const Y = 54;
const NULLIFIER = 86;

/** Whether the pass of a strike is that of its entry. Its proof is not verified here: the relay does that. */
export function isOfPass({ entry, pass, epoch_seconds: seconds, epoch }) {
  const bytes = fromHex(pass);
  const states = (at, expected) => areEqual(bytes.subarray(at, at + expected.length), expected);
  return bytes[0] === 1 && POSTS.includes(bytes[1]) && states(EPOCH, concat(number(seconds, 4), number(epoch, 8)))
    && states(Y, fromHex(entry.y)) && states(NULLIFIER, fromHex(entry.nullifier));
}
