/**
 * quotapass in Node.js, without a worker: a call blocks the thread, and is not cancelled while it runs.
 *
 * @packageDocumentation
 */

import { readFile } from "node:fs/promises";

import instance from "../wasm/instance.js";

import { Client } from "./client.js";
import { Engine } from "./engine.js";
import { QuotapassError } from "./errors.js";
import type { LedgerStorage } from "./ledger-storage.js";

export * from "./api.js";
export { FileLedgers } from "./file-ledgers.js";

/** Options of a client in Node.js. */
export interface NodeOptions {
  /**
   * Storage of ledgers, and of what was read of logs: `new FileLedgers(folder)`, or your own. Without it, posting and lists
   * fail; everything else works.
   */
  readonly ledgers?: LedgerStorage;
  /**
   * The WebAssembly, `wasm/quotapass_web_bg.wasm`: its bytes, its path or its `file:` URL. It is needed if a bundler puts
   * the package into a bundle and leaves this file behind.
   */
  readonly wasm?: Uint8Array | string | URL;
}

/** Starts the module in this thread. */
export function start({ ledgers, wasm }: NodeOptions = {}): Promise<Client> {
  return Client.over(async (sealingKey) => {
    // Each module is a separate instance, so that a failed module is not used again.
    const module = instance();
    module.initSync({ module: (await read(wasm)) as Uint8Array<ArrayBuffer> });
    const engine = new Engine(module, ledgers ?? null, sealingKey);
    return { call: (name, args, onProgress) => engine.run(name, args, onProgress), threads: 1, end: () => undefined };
  });
}

async function read(wasm: NodeOptions["wasm"]): Promise<Uint8Array> {
  if (wasm instanceof Uint8Array) return wasm;
  try {
    // In a bundle the address can be missing, and the file is rarely beside it.
    return await readFile(wasm ?? new URL("../wasm/quotapass_web_bg.wasm", import.meta.url));
  } catch (error) {
    const advice = "keep @quotapass/web out of the bundle, or pass the file's bytes or path as `wasm`";
    throw new QuotapassError("start_failed", `its file cannot be read (${String(error)}). If this is a bundle, ${advice}`);
  }
}
