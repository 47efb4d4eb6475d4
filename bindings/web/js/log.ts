import type { LogAnswer } from "./calls.js";
import { abortion } from "./client.js";
import { QuotapassError } from "./errors.js";
import { chunks, concat, shown } from "./relay.js";
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
    async fetch(log, path, signal) {
      const url = `${base}/v1/moderation/${log}/${path}`;
      const fail = (what: string): never => {
        throw new QuotapassError("source_failed", `${shown(url)} ${what.replaceAll(url, () => shown(url))}; try again later, or another server`);
      };
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
        return fail(`cannot be reached (${String(error)})`);
      }
      if (answer.status === 404) {
        await answer.body?.cancel();
        return null;
      }
      if (!answer.ok) fail(`answered with status ${answer.status}`);
      const parts: Uint8Array[] = [];
      let length = 0;
      for await (const part of chunks(answer, signal)) {
        length += part.length;
        if (length > LONGEST_RESOURCE) fail(`sends more than the ${LONGEST_RESOURCE} bytes that this answer can have`);
        parts.push(part);
      }
      return concat(parts, length);
    },
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
