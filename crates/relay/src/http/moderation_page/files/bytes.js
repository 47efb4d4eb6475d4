// Bytes as text, and hashes.

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const utf8 = (text) => encoder.encode(text);
/** Text of UTF-8 bytes. Other bytes throw a TypeError. */
export const text = (bytes) => decoder.decode(bytes);

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Bytes of lower-case hexadecimal digits. */
export function fromHex(digits) {
  if (!/^([0-9a-f]{2})*$/.test(digits)) throw new Error("expected lower-case hexadecimal digits");
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export const base64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
export const base64url = (bytes) => base64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** Bytes of base64. A text that is not the one form of its bytes is refused. */
export function fromBase64(encoded) {
  const refuse = () => new Error("expected base64");
  let binary;
  try {
    binary = atob(encoded);
  } catch {
    throw refuse();
  }
  const bytes = Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
  if (base64(bytes) !== encoded) throw refuse();
  return bytes;
}

/** Bytes of base64url without padding. */
export function fromBase64url(encoded) {
  if (!/^[A-Za-z0-9_-]*$/.test(encoded)) throw new Error("expected base64url without padding");
  const padding = "=".repeat((4 - (encoded.length % 4)) % 4);
  return fromBase64(encoded.replaceAll("-", "+").replaceAll("_", "/") + padding);
}

export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const areEqual = (one, other) => one.length === other.length && one.every((byte, index) => byte === other[index]);

/** Whether this browser has WebCrypto here: pages have it over https, and from the same machine. */
export const hasCrypto = () => globalThis.crypto?.subtle !== undefined;

export const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
