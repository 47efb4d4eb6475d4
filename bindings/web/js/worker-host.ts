import type { CallArguments, CallName, CallResult } from "./calls.js";
import type { Host } from "./client.js";
import { QuotapassError, fromPlainError } from "./errors.js";
import type { FromWorker, ToWorker } from "./worker.js";

/** Where the files of the package are, if a bundler does not find them by itself. */
export interface WorkerOptions {
  /** The module worker, `dist/worker.js`. */
  readonly worker?: string | URL;
  /** The WebAssembly, `wasm/quotapass_web_bg.wasm`. */
  readonly wasm?: string | URL;
}

/** The module in a worker of its own. */
export class WorkerHost implements Host {
  readonly #worker: Worker;
  #calls = 0;
  readonly #waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: unknown) => void }>();

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
      const waiting = this.#waiting.get(data.call);
      this.#waiting.delete(data.call);
      if ("error" in data) waiting?.reject(fromPlainError(data.error));
      else waiting?.resolve(data.result);
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#fail(new QuotapassError("trapped", `the worker ended unexpectedly (${event.message}); try again`));
    });
  }

  static async start({ worker, wasm }: WorkerOptions, sealingKey: CryptoKey): Promise<WorkerHost> {
    const host = new WorkerHost(
      worker === undefined
        ? new Worker(new URL("./worker.js", import.meta.url), { type: "module" })
        : new Worker(worker, { type: "module" }),
    );
    const url = new URL(wasm ?? new URL("../wasm/quotapass_web_bg.wasm", import.meta.url), location.href);
    try {
      await host.#send(0, { start: { wasm: url.href, sealingKey } });
    } catch (error) {
      host.end();
      throw error;
    }
    return host;
  }

  async call<N extends CallName>(name: N, args: CallArguments<N>): Promise<CallResult<N>> {
    this.#calls += 1;
    return (await this.#send(this.#calls, { call: this.#calls, name, args })) as CallResult<N>;
  }

  #send(call: number, message: ToWorker): Promise<unknown> {
    return new Promise((resolve, reject) => {
      // It throws what cannot be cloned; the executor's promise is then rejected.
      this.#worker.postMessage(message);
      this.#waiting.set(call, { resolve, reject });
    });
  }

  #fail(error: QuotapassError): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  end(): void {
    this.#worker.terminate();
    this.#fail(new QuotapassError("closed", "the client is closed; start another one"));
  }
}
