import type { CallArguments, CallName, CallResult, Id } from "./calls.js";
import { QuotapassError, fromPlainError, toPlainError } from "./errors.js";
import type { RecordProgress } from "./types.js";

/** The module and the engine that holds its objects, in a worker or in this thread. Calls come one at a time. */
export interface Host {
  /** Runs a call, and reports its progress. An error without a code is a trap. */
  call<N extends CallName>(name: N, args: CallArguments<N>, onProgress?: OnProgress): Promise<CallResult<N>>;
  /** Number of threads that it proves on. */
  readonly threads: number;
  /** Ends the module, even during a call. */
  end(): void;
}

/** Receives the progress of a call. */
export type OnProgress = (progress: RecordProgress) => void;

/** Starts a module. The key encrypts seeds, so that the next module can use them. */
export type StartHost = (sealingKey: CryptoKey) => Promise<Host>;

/** The module that an object is in, and its number there. */
export interface Place {
  readonly generation: number;
  readonly id: Id;
}

/** Access to the module during a turn. */
export interface Turn {
  /** The client of the module. */
  readonly client: Client;
  /** The number of the running module. Each module that the client starts has another number. */
  readonly generation: number;
  /** Receives the progress of the calls of this turn. */
  onProgress: OnProgress | undefined;
  call<N extends CallName>(name: N, ...args: CallArguments<N>): Promise<CallResult<N>>;
  /**
   * The number of an object in the running module. The object is created again if the module was started after it. Fails
   * with `other_client` if the object belongs to another client: there, the same number is another object.
   */
  use(object: Handle): Promise<Id>;
}

/**
 * The module, which everything else uses.
 *
 * It runs one call at a time; in a browser it runs in a separate worker. A call that is cancelled while it runs ends
 * the worker, because WebAssembly cannot be interrupted; so does a call in which the module fails. The next call starts
 * a new worker, and objects are created there again when they are used: only the call itself is lost.
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
   * Takes a turn: no other call reaches the module until it ends. @internal
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
      throw new QuotapassError("start_failed", `the module cannot be started: ${message}; check the addresses of its files`);
    });
    const host = this.#host;
    if (signal?.aborted) {
      this.#end();
      throw abortion();
    }
    const turn: Turn = {
      client: this,
      generation: this.#generation,
      onProgress: undefined,
      call: async (name, ...args) => {
        try {
          return await host.call(name, args, turn.onProgress);
        } catch (error) {
          const plain = toPlainError(error);
          if (plain.code === "trapped" && host === this.#host) this.#end();
          throw fromPlainError(plain);
        }
      },
      use: async (object) => {
        // Objects of another copy of this package, which a hot reload can leave, are of another class.
        if (!(object instanceof Handle)) throw otherClient();
        return object[resolve](turn);
      },
    };
    return work(turn);
  }

  #end(): void {
    this.#host?.end();
    this.#host = undefined;
    this.#generation += 1;
  }

  /** Number of threads that proofs are made on; 0 while the module is not running. */
  get threads(): number {
    return this.#host?.threads ?? 0;
  }

  /** Ends the module and removes all its secrets. Calls that wait or run fail with the code `closed`. */
  close(): void {
    this.#closed = true;
    this.#end();
  }
}

/** @internal */
export const resolve: unique symbol = Symbol("resolve");

/**
 * An object of the module; its secrets never leave it. Close it when it is no longer needed: its secrets are then
 * overwritten.
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
    if (turn.client !== this.client) throw otherClient();
    if (this.#closed) throw new QuotapassError("closed", "this object was closed; create it again");
    const { generation } = turn;
    if (this.#place?.generation !== generation) this.#place = { generation, id: await this.#make(turn) };
    return this.#place.id;
  }

  /** Overwrites its secrets after the earlier calls have ended. Every later use fails with the code `closed`. */
  async close(): Promise<void> {
    const closing = this.client.turn(undefined, async (turn) => {
      const place = this.#place;
      this.#closed = true;
      this.#place = undefined;
      if (place?.generation === turn.generation) await turn.call("close", place.id);
    });
    await closing.catch((error: unknown) => {
      // A closed client has no secrets left.
      if (toPlainError(error).code !== "closed") throw error;
    });
  }
}

/** The error of an object that was not made with the client that uses it. */
function otherClient(): QuotapassError {
  return new QuotapassError("other_client", "the object was not made with this client; make it with the client that uses it");
}

/** @internal The error of a call that was cancelled. */
export function abortion(): QuotapassError {
  return new QuotapassError("aborted", "the call was cancelled");
}

/** @internal */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortion();
}
