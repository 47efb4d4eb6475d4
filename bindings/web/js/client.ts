import type { CallArguments, CallName, CallResult, Id } from "./calls.js";
import { QuotapassError, fromPlainError, toPlainError } from "./errors.js";

/** The module with what keeps its objects, in a worker or beside us. Calls come one at a time. */
export interface Host {
  /** Runs a call. Whatever it throws that has no code is a trap. */
  call<N extends CallName>(name: N, args: CallArguments<N>): Promise<CallResult<N>>;
  /** On how many threads it proves. */
  readonly threads: number;
  /** Ends the module, in the midst of a call too. */
  end(): void;
}

/** Starts a module. The key seals seeds, so that the next module can go on with them. */
export type StartHost = (sealingKey: CryptoKey) => Promise<Host>;

/** Which module an object is in, and its number there. */
export interface Place {
  readonly generation: number;
  readonly id: Id;
}

/** What a turn can do with the module. */
export interface Turn {
  /** Which module runs: each one that is started has another number. */
  readonly generation: number;
  call<N extends CallName>(name: N, ...args: CallArguments<N>): Promise<CallResult<N>>;
  /** The number of an object in the module that runs now, which is made anew if that module was started since. */
  use(object: Handle): Promise<Id>;
}

/**
 * The module, with which everything else works.
 *
 * It runs one call at a time, in a worker of its own in a browser. A call that is cancelled while it runs ends the
 * worker, for WebAssembly cannot be interrupted; so does a call in which the module fails. A new one is started with the
 * next call, and objects are made there again when they are used: nothing is lost but the call itself.
 */
export class Client {
  readonly #startHost: StartHost;
  readonly #sealingKey: CryptoKey;
  #host: Host | undefined;
  #generation = 0;
  #turns: Promise<unknown> = Promise.resolve();
  #closed = false;

  private constructor(startHost: StartHost, sealingKey: CryptoKey) {
    this.#startHost = startHost;
    this.#sealingKey = sealingKey;
  }

  /** @internal */
  static async over(startHost: StartHost): Promise<Client> {
    if (globalThis.crypto?.subtle === undefined) {
      throw new QuotapassError("invalid_argument", "this needs a secure context: serve the page over https or from localhost");
    }
    const sealingKey = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
    const client = new Client(startHost, sealingKey);
    await client.turn(undefined, async () => undefined);
    return client;
  }

  /**
   * Takes a turn: nothing else reaches the module meanwhile.
   * @internal
   */
  turn<T>(signal: AbortSignal | undefined, work: (turn: Turn) => Promise<T>): Promise<T> {
    const run = async (): Promise<T> => {
      if (this.#closed) throw new QuotapassError("closed", "the client is closed; start another one");
      throwIfAborted(signal);
      let stop: (() => void) | undefined;
      const stopped = new Promise<never>((_, reject) => {
        stop = () => {
          reject(abortion());
          this.#end();
        };
      });
      stopped.catch(() => undefined);
      signal?.addEventListener("abort", stop!, { once: true });
      try {
        return await Promise.race([stopped, this.#work(signal, work)]);
      } finally {
        signal?.removeEventListener("abort", stop!);
      }
    };
    const turn = this.#turns.then(run);
    this.#turns = turn.catch(() => undefined);
    return turn;
  }

  async #work<T>(signal: AbortSignal | undefined, work: (turn: Turn) => Promise<T>): Promise<T> {
    this.#host ??= await this.#startHost(this.#sealingKey).catch((error: unknown) => {
      const { message } = toPlainError(error);
      throw new QuotapassError("start_failed", `the module cannot be started: ${message}; check where its files are served`);
    });
    const host = this.#host;
    if (signal?.aborted) {
      this.#end();
      throw abortion();
    }
    const turn: Turn = {
      generation: this.#generation,
      call: async (name, ...args) => {
        try {
          return await host.call(name, args);
        } catch (error) {
          const plain = toPlainError(error);
          if (plain.code === "trapped" && host === this.#host) this.#end();
          throw fromPlainError(plain);
        }
      },
      use: (object) => object[resolve](turn),
    };
    return work(turn);
  }

  #end(): void {
    this.#host?.end();
    this.#host = undefined;
    this.#generation += 1;
  }

  /** On how many threads proofs are made; 0 while the module is not running. */
  get threads(): number {
    return this.#host?.threads ?? 0;
  }

  /** Ends the module, and with it all secrets in it. Calls that are waiting or running fail with the code `closed`. */
  close(): void {
    this.#closed = true;
    this.#end();
  }
}

/** @internal */
export const resolve: unique symbol = Symbol("resolve");

/**
 * An object that lives beside the module; secrets never leave it. Close it when it is not needed any more: what is secret
 * in it is then overwritten.
 */
export abstract class Handle {
  /** @internal */
  protected readonly client: Client;
  readonly #make: (turn: Turn) => Promise<Id>;
  #place: Place | undefined;
  #closed = false;

  /** @internal */
  protected constructor(client: Client, make: (turn: Turn) => Promise<Id>, place?: Place) {
    this.client = client;
    this.#make = make;
    this.#place = place;
  }

  /** @internal */
  async [resolve](turn: Turn): Promise<Id> {
    if (this.#closed) throw new QuotapassError("closed", "this object was closed; make it again");
    const { generation } = turn;
    if (this.#place?.generation !== generation) this.#place = { generation, id: await this.#make(turn) };
    return this.#place.id;
  }

  /** Overwrites what is secret in it, once the calls before are done. Every later use fails with the code `closed`. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.client.turn(undefined, async (turn) => {
      if (this.#place?.generation === turn.generation) await turn.call("close", this.#place.id);
    });
  }
}

/** @internal The error of a call that was cancelled. */
export function abortion(): QuotapassError {
  return new QuotapassError("aborted", "the call was cancelled");
}

/** @internal */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortion();
}
