// What runs in a worker: the module, and one call after the other; or one of its threads.

import init, * as wasm from "../wasm/quotapass_web.js";

import type { CallArguments, CallName } from "./calls.js";
import { Engine, type Wasm } from "./engine.js";
import { type PlainError, toPlainError } from "./errors.js";
import { IndexedDbLedgers } from "./ledger-storage.js";

/** A module that was compiled, and the memory that its threads share. */
export interface SharedModule {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
}

/**
 * The first message to the worker of the module, with more than one thread a second one when they wait, then calls.
 * The only message to a thread.
 */
export type ToWorker =
  | { readonly start: { readonly wasm: string; readonly sealingKey: CryptoKey; readonly threads: number } }
  | { readonly startThreads: number }
  | { readonly call: number; readonly name: CallName; readonly args: CallArguments<CallName> }
  | { readonly thread: SharedModule };

/** `call` is 0 before the first call. */
export type FromWorker = { readonly call: number } & ({ readonly result: unknown } | { readonly error: PlainError });

const answer = (message: FromWorker): void => postMessage(message);
const threaded = () => import("../wasm/threads/quotapass_web.js");
let engine: Promise<Engine> | undefined;

addEventListener("message", async ({ data }: MessageEvent<ToWorker>) => {
  const call = "call" in data ? data.call : 0;
  try {
    if ("start" in data) {
      const { wasm: url, sealingKey, threads } = data.start;
      const started = threads > 1 ? startShared(url) : init({ module_or_path: url }).then(() => ({ wasm, shared: null }));
      engine = started.then(({ wasm }) => new Engine(wasm, new IndexedDbLedgers(), sealingKey));
      await engine;
      answer({ call, result: (await started).shared });
    } else if ("startThreads" in data) {
      (await threaded()).startThreads(data.startThreads);
      answer({ call, result: null });
    } else if ("thread" in data) {
      const { module, memory } = data.thread;
      const threads = await threaded();
      await threads.default({ module_or_path: module, memory });
      answer({ call, result: null });
      threads.runThread();
    } else {
      answer({ call, result: await (await engine)?.run(data.name, data.args) });
    }
  } catch (error) {
    answer({ call, error: toPlainError(error) });
  }
});

/** The module that shares its memory, and what a thread needs of it. */
async function startShared(url: string): Promise<{ wasm: Wasm; shared: SharedModule }> {
  const threads = await threaded();
  const { memory } = await threads.default({ module_or_path: url });
  return { wasm: threads, shared: { module: threads.module(), memory } };
}
