/**
 * quotapass in Node.js, without a worker: a call blocks the thread, and is not cancelled while it runs.
 *
 * @packageDocumentation
 */

import { readFile } from "node:fs/promises";

import { Client } from "./client.js";
import { Engine } from "./engine.js";
import type { LedgerStorage } from "./ledger-storage.js";

export * from "./api.js";

/** Options of a client in Node.js. */
export interface NodeOptions {
  /** Storage of ledgers. Without it, posting fails; everything else works. */
  readonly ledgers?: LedgerStorage;
}

/** Number of started modules. Each is a separate instance, so that a failed module is not used again. */
let instances = 0;

/** Starts the module in this thread. */
export function start({ ledgers }: NodeOptions = {}): Promise<Client> {
  return Client.over(async (sealingKey) => {
    instances += 1;
    const path: string = `../wasm/quotapass_web.js?instance=${instances}`;
    const wasm = (await import(path)) as typeof import("../wasm/quotapass_web.js");
    const bytes = await readFile(new URL("../wasm/quotapass_web_bg.wasm", import.meta.url));
    wasm.initSync({ module: bytes });
    const engine = new Engine(wasm, ledgers ?? null, sealingKey);
    return { call: (name, args) => engine.run(name, args), threads: 1, end: () => undefined };
  });
}
