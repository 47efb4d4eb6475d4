// Requests to the relay that serves this page.

import { utf8 } from "./bytes.js";
import { moderatorHeader } from "./keys.js";

/** The address of the relay: this file is in moderation/files/ below it. */
const BASE = new URL("../../", import.meta.url);
const TIMEOUT_MS = 30_000;

/** An answer that is an error. Its message says what is wrong, and what to do. */
export class RelayError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function errorOf(answer) {
  const body = await answer.json().catch(() => ({}));
  const parts = [body.message ?? body.error, body.action ?? body.hint].filter((part) => typeof part === "string");
  return new RelayError(answer.status, parts.length ? parts.join("; ") : `the relay answers with status ${answer.status}; try again later`);
}

async function ask(path, options = {}, timeout = TIMEOUT_MS) {
  let answer;
  try {
    answer = await fetch(new URL(path, BASE), { cache: "no-cache", ...options, signal: AbortSignal.timeout(timeout) });
  } catch {
    throw new RelayError(0, "the relay does not answer; check the connection, and try again");
  }
  if (!answer.ok) throw await errorOf(answer);
  return answer;
}

export const getJson = async (path, timeout) => (await ask(path, {}, timeout)).json();

/** Returns a function that fetches what is at a path below a log. Full bundles and statements never change: they are cached. */
export const logReader = (log) => async (path) => {
  const cache = /^(tile\/[^.]+|text\/.*)$/.test(path) ? "default" : "no-cache";
  return new Uint8Array(await (await ask(`v1/moderation/${log}/${path}`, { cache })).arrayBuffer());
};

export async function postJson(path, value) {
  const headers = { "content-type": "application/json" };
  return (await ask(path, { method: "POST", headers, body: JSON.stringify(value) })).json();
}

/** Requests to one log as one of its moderators. */
export function asModerator(log, signer) {
  const request = async (method, path, value) => {
    const target = `v1/moderation/${log}/${path}`;
    const body = value === undefined ? new Uint8Array() : utf8(JSON.stringify(value));
    const seconds = Math.floor(Date.now() / 1000);
    const headers = { "quotapass-moderator": await moderatorHeader(signer, log, method, `/${target}`, seconds, body) };
    if (value !== undefined) headers["content-type"] = "application/json";
    return (await ask(target, { method, headers, body: value === undefined ? undefined : body })).json();
  };
  return { get: (path) => request("GET", path), post: (path, value) => request("POST", path, value) };
}
