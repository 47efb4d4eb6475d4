/** Requests to the demo's server. */

/** A request that was not answered, or that the server could not serve. It may be sent again unchanged. */
export class Unanswered extends Error {}

/** A message in the form that the chat network passes on. Refused messages have no number. */
export interface Line {
  readonly number?: number;
  readonly at: number;
  readonly message: string;
  readonly verdict: string;
  readonly seen?: Readonly<Record<string, unknown>>;
}

/** What moderation made of a message. The text is there if readers should see it. */
export interface Moderated {
  readonly number: number;
  readonly state: "visible" | "held" | "hidden" | "deleted";
  readonly is_struck: boolean;
  readonly message?: string;
}

/** The refused messages, by verdict. */
export interface Refused {
  readonly total: number;
  readonly verdicts: Readonly<Record<string, { readonly count: number; readonly latest: Line }>>;
}

/** Time limit for an answer, in milliseconds. */
const ANSWER_MS = 30_000;
/** Pause before a stream that the server refused is opened again, in milliseconds. */
const STREAM_PAUSE_MS = 5_000;
const NO_ANSWER = "the demo does not answer; check that it is running, and your connection";

/** Sends a request, with a body as JSON if there is one, and returns the answer. */
export async function ask(path: string, body?: unknown): Promise<unknown> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  const init = body === undefined ? { signal } : { signal, method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  let answer: Response;
  let text: string;
  try {
    answer = await fetch(path, init);
    text = await answer.text();
  } catch {
    throw new Unanswered(NO_ANSWER);
  }
  if (answer.ok) return JSON.parse(text);
  let reason = text;
  try {
    const { error, hint } = JSON.parse(text);
    reason = `${error}; ${hint}`;
  } catch {
    // The text is shown unchanged.
  }
  // A proxy answers with 502, 503 or 504 while the demo is restarted.
  throw answer.status === 429 || answer.status >= 500 ? new Unanswered(reason) : new Error(reason);
}

/**
 * Listens to a stream of events. The browser connects again by itself, except after an answer that is not a stream, for
 * example of a proxy. `connected` hears whether the stream is open.
 */
export function listen(path: string, heard: Readonly<Record<string, (data: string) => void>>, connected: (isOpen: boolean) => void): void {
  const stream = new EventSource(path);
  for (const [name, hear] of Object.entries(heard)) stream.addEventListener(name, ({ data }) => hear(data));
  stream.onopen = () => connected(true);
  stream.onerror = () => {
    connected(false);
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => listen(path, heard, connected), STREAM_PAUSE_MS);
  };
}
