// The code of a worker: either the module, which runs one call after the other, or one of its threads.

import init, * as wasm from "../wasm/quotapass_web.js";
// Not a dynamic import: bundlers cannot split a worker that they write as a classic script.
import initThreaded, * as threaded from "../wasm/threads/quotapass_web.js";

import type { CallArguments, CallName } from "./calls.js";
import { Engine, type Wasm } from "./engine.js";
import { type PlainError, toPlainError } from "./errors.js";
import { IndexedDbLedgers } from "./ledger-storage.js";
import type { RecordProgress } from "./types.js";

/** A compiled module and the memory that its threads share. The module's worker sends them to each thread's worker. */
interface SharedModule {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
}

/**
 * Messages to a worker. The module's worker first gets a message with a port to each thread, if any, then a second one
 * when the threads wait, then calls. A thread gets only one message, with its end of the port.
 */
export type ToWorker =
  | { readonly start: { readonly wasm: string; readonly sealingKey: CryptoKey; readonly threads: readonly MessagePort[] } }
  | { readonly startThreads: number }
  | { readonly call: number; readonly name: CallName; readonly args: CallArguments<CallName> }
  | { readonly thread: MessagePort };

/** `call` is 0 before the first call. Progress comes before the result. */
export type FromWorker = { readonly call: number } & (
  | { readonly progress: RecordProgress }
  | { readonly result: unknown }
  | { readonly error: PlainError }
);

const answer = (message: FromWorker): void => postMessage(message);
let engine: Promise<Engine> | undefined;

addEventListener("message", async ({ data }: MessageEvent<ToWorker>) => {
  const call = "call" in data ? data.call : 0;
  try {
    if ("start" in data) {
      const { wasm: url, sealingKey, threads } = data.start;
      const started: Promise<Wasm> = threads.length > 0 ? startShared(url, threads) : init({ module_or_path: url }).then(() => wasm);
      engine = started.then((wasm) => new Engine(wasm, new IndexedDbLedgers(), sealingKey));
      await engine;
      answer({ call, result: null });
    } else if ("startThreads" in data) {
      threaded.startThreads(data.startThreads);
      answer({ call, result: null });
    } else if ("thread" in data) {
      const { module, memory } = await received(data.thread);
      await initThreaded({ module_or_path: module, memory });
      answer({ call, result: null });
      threaded.runThread();
    } else {
      const report = (progress: RecordProgress) => answer({ call, progress });
      answer({ call, result: await (await engine)?.run(data.name, data.args, report) });
    }
  } catch (error) {
    answer({ call, error: toPlainError(error) });
  }
});

/** Starts the module with shared memory, and sends it to its threads through their ports. */
async function startShared(url: string, ports: readonly MessagePort[]): Promise<Wasm> {
  const { memory } = await initThreaded({ module_or_path: url });
  const shared: SharedModule = { module: threaded.module(), memory };
  for (const port of ports) port.postMessage(shared);
  return threaded;
}

/** Receives the message of a port. */
function received(port: MessagePort): Promise<SharedModule> {
  return new Promise((resolve) => {
    port.onmessage = ({ data }: MessageEvent<SharedModule>) => resolve(data);
  });
}
