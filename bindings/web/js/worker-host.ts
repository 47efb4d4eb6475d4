import type { CallArguments, CallName, CallResult } from "./calls.js";
import type { Host, OnProgress } from "./client.js";
import { QuotapassError, fromPlainError } from "./errors.js";
import type { FromWorker, ToWorker } from "./worker.js";

/** Addresses of the package's files, if a bundler does not find them by itself, and the number of threads. */
export interface WorkerOptions {
  /** The module worker, `dist/worker.js`. */
  readonly worker?: string | URL;
  /** The WebAssembly, `wasm/quotapass_web_bg.wasm`. */
  readonly wasm?: string | URL;
  /** The WebAssembly that shares its memory between threads, `wasm/threads/quotapass_web_bg.wasm`. */
  readonly wasmThreads?: string | URL;
  /**
   * Number of threads that proofs are made on. The default is the number of cores, at most four. If the page is not
   * [cross-origin isolated](https://developer.mozilla.org/docs/Web/API/Window/crossOriginIsolated), or threads do not
   * start, the number is one.
   */
  readonly threads?: number;
}

/** More threads do not make a proof faster. */
const MOST_THREADS = 4;

/** A call that was sent and is not answered. */
interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onProgress: OnProgress | undefined;
}

/** The module in a separate worker, and its threads, if any, in additional workers. */
export class WorkerHost implements Host {
  readonly #worker: Worker;
  readonly #threads: Worker[] = [];
  #calls = 0;
  /** The reason why it no longer answers. */
  #failure: QuotapassError | undefined;
  readonly #waiting = new Map<number, Waiting>();

  private constructor(start: () => Worker) {
    this.#worker = this.#watch(start());
    this.#worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
      const waiting = this.#waiting.get(data.call);
      if ("progress" in data) return waiting?.onProgress?.(data.progress);
      this.#waiting.delete(data.call);
      if ("error" in data) waiting?.reject(fromPlainError(data.error));
      else waiting?.resolve(data.result);
    });
  }

  static async start(options: WorkerOptions, sealingKey: CryptoKey, threads: number): Promise<WorkerHost> {
    if (threads > 1) {
      try {
        return await WorkerHost.#start(options, sealingKey, threads);
      } catch {
        // Shared memory is missing or forbidden, or a file is not served: one thread needs none of them.
      }
    }
    return WorkerHost.#start(options, sealingKey, 1);
  }

  static async #start(options: WorkerOptions, sealingKey: CryptoKey, threads: number): Promise<WorkerHost> {
    const { worker, wasm, wasmThreads } = options;
    const startWorker = () =>
      worker === undefined
        ? new Worker(new URL("./worker.js", import.meta.url), { type: "module" })
        : new Worker(worker, { type: "module" });
    const url = threads > 1
      ? (wasmThreads ?? new URL("../wasm/threads/quotapass_web_bg.wasm", import.meta.url))
      : (wasm ?? new URL("../wasm/quotapass_web_bg.wasm", import.meta.url));
    // The memory goes from worker to worker. This page never holds it, because it contains secrets.
    const channels = Array.from({ length: threads > 1 ? threads : 0 }, () => new MessageChannel());
    const ports = channels.map(({ port1 }) => port1);
    const host = new WorkerHost(startWorker);
    try {
      await host.#send(0, { start: { wasm: new URL(url, location.href).href, sealingKey, threads: ports } }, ports);
      if (threads > 1) {
        await Promise.all(channels.map(({ port2 }) => host.#startThread(startWorker, port2)));
        await host.#send(0, { startThreads: threads });
      }
    } catch (error) {
      host.end();
      throw error;
    }
    return host;
  }

  /** Starts a worker that waits to become a thread. */
  #startThread(startWorker: () => Worker, port: MessagePort): Promise<void> {
    const thread = this.#watch(startWorker());
    this.#threads.push(thread);
    return new Promise((resolve, reject) => {
      thread.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
        if (!("error" in data)) return resolve();
        const error = fromPlainError(data.error);
        reject(error);
        this.#fail(error);
      });
      thread.addEventListener("error", ({ message }) => reject(new QuotapassError("start_failed", message)));
      const message: ToWorker = { thread: port };
      thread.postMessage(message, [port]);
    });
  }

  /** If one worker ends, all must end, because the others would wait for it. */
  #watch(worker: Worker): Worker {
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#fail(new QuotapassError("trapped", `the worker ended unexpectedly (${event.message}); try again`));
    });
    return worker;
  }

  async call<N extends CallName>(name: N, args: CallArguments<N>, onProgress?: OnProgress): Promise<CallResult<N>> {
    this.#calls += 1;
    return (await this.#send(this.#calls, { call: this.#calls, name, args }, [], onProgress)) as CallResult<N>;
  }

  #send(call: number, message: ToWorker, transfer: Transferable[] = [], onProgress?: OnProgress): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) throw this.#failure;
      // It throws if a value cannot be cloned; the promise is then rejected.
      this.#worker.postMessage(message, transfer);
      this.#waiting.set(call, { resolve, reject, onProgress });
    });
  }

  #fail(error: QuotapassError): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  get threads(): number {
    return Math.max(this.#threads.length, 1);
  }

  end(): void {
    for (const worker of [this.#worker, ...this.#threads]) worker.terminate();
    this.#fail(new QuotapassError("closed", "the client is closed; start another one"));
  }
}

/** @internal Number of threads that are possible, at most `wanted`. */
export function threadCount(wanted = Math.min(navigator.hardwareConcurrency, MOST_THREADS)): number {
  if (!Number.isInteger(wanted) || wanted < 1) {
    throw new QuotapassError("invalid_argument", "the number of threads must be a whole number from 1");
  }
  return globalThis.crossOriginIsolated ? wanted : 1;
}
