import type { LogAnswer } from "./calls.js";
import { fetchBytes } from "./relay.js";
import type { LogServer } from "./types.js";

/** Maximum length of an answer of a log's server, in bytes: a full bundle of the largest entries. */
const LONGEST_RESOURCE = 256 * (2 + 65_535);
/** Requests to one server at the same time. */
const AT_ONCE = 8;

/**
 * A server of moderation logs: a relay that has the log, or a copy of it. Requests contain nothing that distinguishes one
 * wallet from another: no cookies, no referrer, no conditional headers. Whatever it answers is checked against the log's
 * root key and the witnesses.
 */
export function relayLog(address: string | URL): LogServer {
  const base = String(address).replace(/\/+$/, "");
  return {
    fetch: (log, path, signal) =>
      fetchBytes(`${base}/v1/moderation/${log}/${path}`, LONGEST_RESOURCE, "another server", signal),
  };
}

/** @internal Fetches what a reader of a log wants from one server, a few paths at a time. */
export async function fetchWanted(
  server: LogServer,
  log: string,
  list: number,
  paths: readonly string[],
  signal: AbortSignal | undefined,
): Promise<LogAnswer[]> {
  const answers: LogAnswer[] = [];
  for (let first = 0; first < paths.length; first += AT_ONCE) {
    const some = paths.slice(first, first + AT_ONCE);
    const fetched = some.map(async (path) => ({ list, path, bytes: await server.fetch(log, path, signal) }));
    answers.push(...(await Promise.all(fetched)));
  }
  return answers;
}
