import { abortion } from "./client.js";
import { request, withDatabase } from "./database.js";
import { QuotapassError } from "./errors.js";
import { chunks, concat, shown } from "./relay.js";
import { answered } from "./time.js";
import type { KeyProgress, KeySource, KeySources } from "./types.js";

/** Maximum size of a key file: 16 MiB. Key files of a standard tree are far smaller. */
const LONGEST_KEY = 16 << 20;
/** Time in which the cache must answer, in seconds. */
const CACHE_SECONDS = 3;

interface ReadOptions {
  readonly onProgress?: ((progress: KeyProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** @internal Returns the key files, from the cache or fetched in parallel, after a check of each one's hash. */
export async function readKeys(sources: KeySources, options: ReadOptions): Promise<{ post: Uint8Array; badge: Uint8Array | null }> {
  const badge = sources.badge === undefined ? null : readKey("badge", sources.badge, options);
  const [post, readBadge] = await Promise.all([readKey("post", sources.post, options), badge]);
  return { post, badge: readBadge };
}

/** @internal Returns a key file, as `readKeys` does. */
export async function readKey(
  circuit: KeyProgress["circuit"],
  source: KeySource,
  { onProgress, signal }: ReadOptions,
): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  const expected = String(source.sha256).toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(expected)) {
    throw new QuotapassError("invalid_argument", `the SHA-256 of the ${circuit} key is not 64 hexadecimal digits`);
  }
  const cached = await readCache(expected);
  if (cached !== undefined) {
    onProgress?.({ circuit, step: "checking", loaded: cached.length, total: cached.length });
    // A damaged file is fetched again.
    if ((await sha256(cached)) === expected) return cached;
  }
  const fetched = await fetchKey(circuit, String(source.url), onProgress, signal);
  onProgress?.({ circuit, step: "checking", loaded: fetched.length, total: fetched.length });
  const found = await sha256(fetched);
  if (found !== expected) {
    throw new QuotapassError("hash_mismatch", `${shown(source.url)} has the SHA-256 ${found}, not ${expected}; check the address and the hash`);
  }
  await writeCache(expected, fetched);
  return fetched;
}

async function fetchKey(
  circuit: KeyProgress["circuit"],
  url: string,
  onProgress: ReadOptions["onProgress"],
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const fail = (what: string): never => {
    throw new QuotapassError("fetch_failed", `${shown(url)} ${what.replaceAll(url, () => shown(url))}; check the address and the connection`);
  };
  let answer: Response;
  try {
    answer = await fetch(url, { signal: signal ?? null, credentials: "omit" });
  } catch (error) {
    if (signal?.aborted) throw abortion();
    return fail(`cannot be fetched (${String(error)})`);
  }
  if (!answer.ok) fail(`answered with status ${answer.status}`);
  // The length of a compressed answer differs from the length of the file.
  const stated = answer.headers.has("content-encoding") ? null : answer.headers.get("content-length");
  const total = stated === null ? null : Number(stated);
  const parts: Uint8Array[] = [];
  let loaded = 0;
  for await (const part of chunks(answer, signal)) {
    parts.push(part);
    loaded += part.length;
    if (loaded > LONGEST_KEY) fail(`sends more than the ${LONGEST_KEY} bytes that a key can have`);
    onProgress?.({ circuit, step: "fetching", loaded, total });
  }
  return concat(parts, loaded);
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** If the cache cannot be used, or does not answer, the key is fetched. */
async function readCache(hash: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const value: unknown = await cache("readonly", (keys) => keys.get(hash));
    return value instanceof Uint8Array ? new Uint8Array(value) : undefined;
  } catch {
    return undefined;
  }
}

async function writeCache(hash: string, key: Uint8Array): Promise<void> {
  try {
    await cache("readwrite", (keys) => keys.put(key, hash));
  } catch {
    // If the disk is full, the key is not cached but still used.
  }
}

/** Returns the answer of the cache. Fails where there is none, as in Node.js. */
function cache<T>(mode: IDBTransactionMode, ask: (keys: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const answer = withDatabase((database) => request(ask(database.transaction("keys", mode).objectStore("keys"))));
  return answered(answer, CACHE_SECONDS);
}
