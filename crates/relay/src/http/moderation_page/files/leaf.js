// Signed entries of a log: canonical JSON, a line feed, then signature lines over the log's origin, a line feed and the JSON.

import { text as fromUtf8, utf8 } from "./bytes.js";
import { canonicalJson, readCanonicalJson } from "./json.js";
import { isSameKey, readSignatureLine, signatureLine, verify } from "./note.js";

/** The largest entry, in bytes. */
export const MAX_LEAF = 16 << 10;
const MAX_SIGNATURES = 100;

/** The signed text of an entry. With another log's origin, the signatures are not valid. */
const signedText = (origin, json) => `${origin}\n${json}\n`;

/** An entry without signatures. */
export const newLeaf = (value) => ({ json: canonicalJson(value), value, lines: [] });

/** Reads an entry from its bytes or its text. The signatures are not verified. */
export function readLeaf(source) {
  const whole = typeof source === "string" ? source : fromUtf8(source);
  if (utf8(whole).length > MAX_LEAF) throw new Error("an entry has at most 16,384 bytes; shorten it");
  const end = whole.indexOf("\n");
  if (end < 0 || (whole.length > end + 1 && !whole.endsWith("\n"))) {
    throw new Error("an entry is canonical JSON on one line, followed by signature lines");
  }
  const json = whole.slice(0, end);
  const value = readCanonicalJson(json);
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw new Error("an entry is a JSON object");
  const lines = whole.slice(end + 1).split("\n").slice(0, -1).map(readSignatureLine);
  if (lines.length > MAX_SIGNATURES) throw new Error("an entry has at most 100 signatures");
  return { json, value, lines };
}

/** The text of an entry. */
export function leafText(leaf) {
  const whole = `${leaf.json}\n${leaf.lines.map(({ line }) => `${line}\n`).join("")}`;
  if (utf8(whole).length > MAX_LEAF) throw new Error("the entry has more than 16,384 bytes; shorten the reference");
  return whole;
}

/** The entry with one more signature. */
export async function signLeaf(leaf, origin, signer) {
  const line = await signatureLine(signer, signedText(origin, leaf.json));
  return { ...leaf, lines: [...leaf.lines, readSignatureLine(line.slice(0, -1))] };
}

/**
 * The keys that signed an entry, a part of the known ones. A signature of another key, one that does not match, and a
 * second one of a key are errors.
 */
export async function signers(leaf, origin, known) {
  const bytes = utf8(signedText(origin, leaf.json));
  const found = [];
  for (const { name, id, signature } of leaf.lines) {
    const key = known.find((key) => key.name === name && key.id === id);
    if (!key) throw new Error(`the entry is signed by \`${name}\`, whom the log's policy does not name for it`);
    if (!(await verify(key.publicKey, signature, bytes))) {
      throw new Error(`the signature of \`${name}\` does not match the entry: it was changed, or is of another log`);
    }
    if (found.some((other) => isSameKey(other, key))) throw new Error(`\`${name}\` signed the entry twice`);
    found.push(key);
  }
  return found;
}
