import { abortion } from "./client.js";
import { QuotapassError } from "./errors.js";
import type { MembersSource } from "./types.js";

/** Maximum lengths of answers for a standard tree, in bytes. */
const LONGEST_UPPER = 32_775;
const LONGEST_BUCKET = 9 + 2_048 * 40;

/**
 * The member tree of a relay. Requests contain nothing that distinguishes one wallet from another: no cookies, no
 * referrer, no conditional headers.
 */
export function relayMembers(address: string | URL): MembersSource {
  const base = String(address).replace(/\/+$/, "");
  const get = async (path: string, longest: number, signal?: AbortSignal): Promise<Uint8Array> => {
    const url = `${base}/v1/members/${path}`;
    const bytes = await fetchBytes(url, longest, "another relay", signal);
    if (bytes === null) throw failure(url, "answered with status 404", "another relay");
    return bytes;
  };
  return {
    upperNodes: (signal) => get("upper", LONGEST_UPPER, signal),
    bucket: (number, signal) => get(`buckets/${number}`, LONGEST_BUCKET, signal),
  };
}

/**
 * @internal Fetches at most `longest` bytes, without cookies, referrer and conditional headers. Returns null for status 404.
 * `instead` is what a person may try when the server fails.
 */
export async function fetchBytes(
  url: string,
  longest: number,
  instead: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer> | null> {
  let answer: Response;
  try {
    answer = await fetch(url, {
      signal: signal ?? null,
      credentials: "omit",
      referrerPolicy: "no-referrer",
      cache: "no-store",
      redirect: "error",
    });
  } catch (error) {
    if (signal?.aborted) throw abortion();
    throw failure(url, `cannot be reached (${String(error)})`, instead);
  }
  if (answer.status === 404) {
    await answer.body?.cancel();
    return null;
  }
  if (!answer.ok) throw failure(url, `answered with status ${answer.status}`, instead);
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of chunks(answer, signal)) {
    length += part.length;
    if (length > longest) throw failure(url, `sends more than the ${longest} bytes that this answer can have`, instead);
    parts.push(part);
  }
  return concat(parts, length);
}

function failure(url: string, what: string, instead: string): QuotapassError {
  const message = `${shown(url)} ${what.replaceAll(url, () => shown(url))}; try again later, or ${instead}`;
  return new QuotapassError("source_failed", message);
}

/** @internal Returns a URL for messages, without user, password and query. */
export function shown(url: string | URL): string {
  return String(url).replace(/\/\/[^/?#]*@/, "//…@").replace(/[?#].*$/s, "?…");
}

/** @internal Yields the body of an answer, part by part. */
export async function* chunks(answer: Response, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = answer.body?.getReader();
  try {
    for (;;) {
      const read = await reader?.read();
      if (read === undefined || read.done) return;
      yield read.value;
    }
  } catch (error) {
    if (signal?.aborted) throw abortion();
    throw new QuotapassError("source_failed", `the answer of ${shown(answer.url)} was interrupted (${String(error)}); try again`);
  } finally {
    await reader?.cancel().catch(() => undefined);
  }
}

/** @internal */
export function concat(parts: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
