// The moderator's key. WebCrypto keeps it: it signs, and no script can read it, not even this one.
//
// This page comes from the relay, so a relay that was taken over can have the key sign what it likes while the page is
// open. It cannot copy the key. Moderators who do not trust the relay sign with the program on their own machine.

import { fromBase64, fromBase64url, fromHex, sha256, utf8, concat, hex } from "./bytes.js";
import { checkName, hasEd25519, readVkey, vkey } from "./note.js";

const DATABASE = "quotapass-moderation";
const STORE = "keys";
/** What precedes the 32 bytes of a seed in PKCS #8 (RFC 8410). */
const PKCS8 = fromHex("302e020100300506032b657004220420");

const settled = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(new Error(`the browser does not keep keys here (${request.error?.message}); leave private browsing`));
});

async function withStore(mode, use) {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await settled(opening);
  try {
    return await settled(use(database.transaction(STORE, mode).objectStore(STORE)));
  } finally {
    database.close();
  }
}

/** Fails, with what to do, if the browser cannot sign here. */
export async function checkBrowser() {
  if (!globalThis.isSecureContext) throw new Error("browsers keep keys only for pages over https, or from the same machine; open this page so");
  if (!(await hasEd25519())) throw new Error("this browser cannot sign with Ed25519; use a current Chromium, Firefox or Safari");
}

/** The key for a log, or null. Each log has its own key, so that one relay cannot ask for signatures with another's. */
export const load = async (log) => (await withStore("readonly", (store) => store.get(log))) ?? null;

async function keep(log, name, publicKey, privateKey) {
  const key = { name, publicKey, privateKey, vkey: await vkey(name, publicKey) };
  await withStore("readwrite", (store) => store.put(key, log));
  // Without this, a browser may delete the key when the disk is full.
  await navigator.storage?.persist?.();
  return key;
}

/** Creates a key. */
export async function create(log, name) {
  checkName(name);
  const pair = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  return keep(log, name, new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)), pair.privateKey);
}

/** Reads a seed: 64 hexadecimal digits, or the private key of a note, `PRIVATE+KEY+name+hash+key`. */
export async function readSecret(secret) {
  const line = secret.trim();
  if (/^[0-9a-f]{64}$/.test(line)) return { seed: fromHex(line) };
  const [, name, id, key] = /^PRIVATE\+KEY\+([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(line) ?? [];
  // Errors never repeat the secret.
  const refuse = () => new Error("this is not a secret key: give 64 hexadecimal digits, or PRIVATE+KEY+name+hash+key");
  if (!key) throw refuse();
  let bytes;
  try {
    bytes = fromBase64(key);
  } catch {
    throw refuse();
  }
  if (bytes.length !== 33 || bytes[0] !== 1) throw refuse();
  return { seed: bytes.slice(1), name, id };
}

/** Keeps a key that was made elsewhere. The line of a private key has its own name. The seed is overwritten. */
export async function adopt(log, stated, secret) {
  const { seed, name = stated, id } = await readSecret(secret);
  const pkcs8 = concat(PKCS8, seed);
  try {
    checkName(name);
    const readable = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
    const publicKey = fromBase64url((await crypto.subtle.exportKey("jwk", readable)).x);
    if (id !== undefined && (await readVkey(await vkey(name, publicKey))).id !== id) {
      throw new Error("the name or the hash of this secret key is not that of its bytes; copy the whole line again");
    }
    return await keep(log, name, publicKey, await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", false, ["sign"]));
  } finally {
    seed.fill(0);
    pkcs8.fill(0);
  }
}

/** Forgets the key. */
export const forget = (log) => withStore("readwrite", (store) => store.delete(log));

/** The signer of a key. */
export const signerOf = ({ name, publicKey, privateKey }) => ({
  name, publicKey,
  sign: async (bytes) => new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, bytes)),
});

/** The value of the header `Quotapass-Moderator`: who asks this of which log, at what time. */
export async function moderatorHeader(signer, log, method, target, seconds, body) {
  const bodyHash = hex(await sha256(body));
  const said = `quotapass.moderator.v1\n${log}\n${method}\n${target}\n${seconds}\n${bodyHash}\n`;
  return `${hex(signer.publicKey)} ${seconds} ${hex(await signer.sign(utf8(said)))}`;
}
