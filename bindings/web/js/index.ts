/**
 * quotapass in a browser: proofs, made in a worker, that a depositor wrote a message within quota.
 *
 * ```ts
 * const client = await start();
 * const identity = await Identity.generate(client);
 * ```
 *
 * @packageDocumentation
 */

import { Client } from "./client.js";
import { WorkerHost, type WorkerOptions, threadCount } from "./worker-host.js";

export * from "./api.js";
export type { WorkerOptions } from "./worker-host.js";

/** Starts the module in a separate worker. Needs a secure context: https, or localhost. */
export async function start(options: WorkerOptions = {}): Promise<Client> {
  const threads = threadCount(options.threads);
  return Client.over((sealingKey) => WorkerHost.start(options, sealingKey, threads));
}
