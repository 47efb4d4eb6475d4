// Reads a log (C2SP tlog-tiles): its checkpoint, its entries, and the root of their tree.

import { areEqual, base64, concat, fromBase64, sha256, text, utf8 } from "./bytes.js";
import { readSignatureLine, verify } from "./note.js";

/** The number of entries of a full bundle. */
export const WIDTH = 256;

/** The path of a bundle of entries in a log of this size. */
export function bundlePath(index, size) {
  const groups = [String(index % 1000).padStart(3, "0")];
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    groups.unshift(`x${String(rest % 1000).padStart(3, "0")}`);
  }
  const width = Math.min(WIDTH, size - index * WIDTH);
  return `tile/entries/${groups.join("/")}${width < WIDTH ? `.p/${width}` : ""}`;
}

/** The entries of a bundle, in bytes. */
export function readBundle(bytes, count) {
  const entries = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 2 + ((bytes[at] << 8) | bytes[at + 1]);
    if (!(end <= bytes.length)) throw new Error("a bundle of entries is cut off; ask another relay");
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  if (entries.length !== count) throw new Error("a bundle does not have the entries that its name says; ask another relay");
  return entries;
}

/** Reads a checkpoint: origin, size and root, and its signature lines. */
export function readCheckpoint(bytes) {
  const refuse = () => new Error("the relay's checkpoint of the log is not one; ask another relay");
  const note = text(bytes);
  const end = note.lastIndexOf("\n\n");
  const [origin, digits, root, ...rest] = note.slice(0, end + 1).split("\n");
  const size = Number(digits);
  if (end < 0 || rest.length !== 1 || !/^(0|[1-9]\d*)$/.test(digits) || !Number.isSafeInteger(size)) throw refuse();
  const lines = note.slice(end + 2).split("\n").slice(0, -1).map(readSignatureLine);
  return { origin, size, root: fromBase64(root), text: note.slice(0, end + 1), lines };
}

/** Whether one of these keys signed a checkpoint. */
export async function isSigned(checkpoint, keys) {
  for (const { name, id, signature } of checkpoint.lines) {
    const key = keys.find((key) => key.name === name && key.id === id);
    if (key && (await verify(key.publicKey, signature, utf8(checkpoint.text)))) return true;
  }
  return false;
}

/** The root of the tree of entries (RFC 6962). */
export async function treeRoot(entries) {
  if (entries.length === 0) return sha256(new Uint8Array());
  let level = await Promise.all(entries.map((entry) => sha256(concat([0], entry))));
  while (level.length > 1) {
    const pairs = Array.from({ length: Math.ceil(level.length / 2) }, (_, pair) => level.slice(2 * pair, 2 * pair + 2));
    level = await Promise.all(pairs.map(([one, other]) => (other ? sha256(concat([1], one, other)) : one)));
  }
  return level[0];
}

/** The identity of a log: SHA-256 of its origin, a zero byte and its root key. */
export const logId = (origin, rootKey) => sha256(concat(utf8(origin), [0], rootKey));

/** Fails if the root of these entries is not that of the checkpoint. */
export async function checkRoot(checkpoint, entries) {
  const root = await treeRoot(entries);
  if (!areEqual(root, checkpoint.root)) {
    throw new Error(`the entries of the log do not have the root ${base64(checkpoint.root)}: this relay shows another log than it signed`);
  }
}
