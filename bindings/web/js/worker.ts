// What runs in the worker: the module, and one call after the other.

import init, * as wasm from "../wasm/quotapass_web.js";

import type { CallArguments, CallName } from "./calls.js";
import { Engine } from "./engine.js";
import { type PlainError, toPlainError } from "./errors.js";
import { IndexedDbLedgers } from "./ledger-storage.js";

/** The first message to the worker, then calls. */
export type ToWorker =
  | { readonly start: { readonly wasm: string; readonly sealingKey: CryptoKey } }
  | { readonly call: number; readonly name: CallName; readonly args: CallArguments<CallName> };

/** `call` is 0 for the start. */
export type FromWorker = { readonly call: number } & ({ readonly result: unknown } | { readonly error: PlainError });

const answer = (message: FromWorker): void => postMessage(message);
let engine: Promise<Engine> | undefined;

addEventListener("message", async ({ data }: MessageEvent<ToWorker>) => {
  const call = "start" in data ? 0 : data.call;
  try {
    if ("start" in data) {
      const { wasm: url, sealingKey } = data.start;
      engine = init({ module_or_path: url }).then(() => new Engine(wasm, new IndexedDbLedgers(), sealingKey));
      await engine;
      answer({ call, result: null });
    } else {
      answer({ call, result: await (await engine)?.run(data.name, data.args) });
    }
  } catch (error) {
    answer({ call, error: toPlainError(error) });
  }
});
