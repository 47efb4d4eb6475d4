// Ed25519 keys and signature lines of C2SP signed notes (https://c2sp.org/signed-note).

import { areEqual, base64, concat, fromBase64, fromHex, hex, sha256, utf8 } from "./bytes.js";

/** The algorithm number of Ed25519. */
const ED25519 = 1;
const DASH = "\u2014";

/** Refuses the name of a key that is empty, or has a space, a plus sign or a control character. */
export function checkName(name) {
  if (!/^[^\s+\p{Cc}]+$/u.test(name) || !name.isWellFormed()) {
    throw new Error("the name of a key must not be empty, and has no spaces and no +");
  }
}

/** The number of a key, 4 bytes: the first of SHA-256 of its name and its bytes. */
async function keyId(name, publicKey) {
  const hash = await sha256(concat(utf8(`${name}\n`), [ED25519], publicKey));
  return hash.slice(0, 4);
}

/** The verifier key `name+number+key` of 32 public bytes. */
export async function vkey(name, publicKey) {
  checkName(name);
  return `${name}+${hex(await keyId(name, publicKey))}+${base64(concat([ED25519], publicKey))}`;
}

/** Reads a verifier key: its name, its number and its public bytes. */
export async function readVkey(text) {
  const refuse = () => new Error(`\`${text}\` is not a verifier key of the form name+hash+key`);
  const [, name, id, key] = /^([^+]*)\+([0-9a-f]{8})\+(.+)$/s.exec(text) ?? [];
  let bytes;
  try {
    checkName(name);
    bytes = fromBase64(key);
  } catch {
    throw refuse();
  }
  const publicKey = bytes.slice(1);
  if (bytes[0] !== ED25519 || publicKey.length !== 32 || (await vkey(name, publicKey)) !== text) throw refuse();
  return { text, name, id, publicKey };
}

/** The signature line of a key over a text, with its line feed. `sign` signs bytes. */
export async function signatureLine(signer, signed) {
  const { name, publicKey, sign } = signer;
  const signature = await sign(utf8(signed));
  return `${DASH} ${name} ${base64(concat(await keyId(name, publicKey), signature))}\n`;
}

/** Reads a signature line without its line feed. */
export function readSignatureLine(line) {
  const [dash, name, encoded, ...rest] = line.split(" ");
  const refuse = () => new Error("a line is not the signature line of a note");
  if (dash !== DASH || encoded === undefined || rest.length > 0) throw refuse();
  try {
    checkName(name);
    const bytes = fromBase64(encoded);
    if (bytes.length < 5) throw refuse();
    return { line, name, id: hex(bytes.slice(0, 4)), signature: bytes.slice(4) };
  } catch {
    throw refuse();
  }
}

/** The first public key of RFC 8032, section 7.1. */
const KNOWN = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

/** Whether Ed25519 is here: browsers since 2025 have it. */
export async function hasEd25519() {
  try {
    await crypto.subtle.importKey("raw", fromHex(KNOWN), "Ed25519", false, ["verify"]);
    return true;
  } catch {
    return false;
  }
}

/** Whether a signature of bytes is that of a public key. */
export async function verify(publicKey, signature, bytes) {
  if (signature.length !== 64) return false;
  const key = await crypto.subtle.importKey("raw", publicKey, "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", key, signature, bytes);
}

/** Whether two keys are one, whatever their names. */
export const isSameKey = (one, other) => areEqual(one.publicKey, other.publicKey);
