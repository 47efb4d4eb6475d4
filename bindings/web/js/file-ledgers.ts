import { randomUUID } from "node:crypto";
import fs from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import type { Change, LedgerStorage } from "./ledger-storage.js";

/** Number of versions of a record that stay, the newest included. */
const KEPT = 16;
/** Age at which a temporary file was left by a process that was killed, in milliseconds: one day. */
const LEFT_BEHIND_MS = 86_400_000;

/**
 * Ledgers in a folder, for Node.js. Threads and processes share it.
 *
 * Each change of a record writes a file with the next number and never changes a file. A file gets its name by a hard
 * link, which fails if another process took the number first; the change is then made again on the newer record. So
 * changes exclude each other without a lock that a killed process could leave behind. File and folder are flushed before a
 * change returns.
 *
 * The folder must be on a local file system with hard links: not on a network share, and not on FAT. As with every
 * ledger, a folder that is restored from a backup repeats message ids. Then replace the ledger: `Ledger.create` with
 * `history: "unknown"` and `replace: true`.
 */
export class FileLedgers implements LedgerStorage {
  readonly #folder: string;
  /** Changes of this object, one after the other: it does not compete with itself. */
  #turns: Promise<unknown> = Promise.resolve();

  /** Uses a folder, which is created with the first ledger and which only the user can read. */
  constructor(folder: string | URL) {
    this.#folder = folder instanceof URL ? fileURLToPath(folder) : folder;
  }

  change<T>(owner: string, change: (bytes: Uint8Array | null) => Change<T>): Promise<T> {
    const turn = this.#turns.then(() => this.#change(owner, change));
    this.#turns = turn.catch(() => undefined);
    return turn;
  }

  /** True: the system does not delete files by itself. */
  async persist(): Promise<boolean> {
    return true;
  }

  async #change<T>(owner: string, change: (bytes: Uint8Array | null) => Change<T>): Promise<T> {
    if (!/^[\w-]+$/.test(owner)) throw new Error(`\`${owner}\` cannot be the name of a ledger's file`);
    await this.#createFolder();
    for (;;) {
      const newest = Math.max(0, ...(await this.#versions(owner)));
      const bytes = newest === 0 ? null : await this.#read(owner, newest);
      // Other processes have written so many versions since that this one is gone.
      if (bytes === undefined) continue;
      const { bytes: changed, result } = change(bytes);
      if (changed === undefined || (await this.#write(owner, newest + 1, changed))) return result;
    }
  }

  /** Creates the folder, and flushes the name of each folder that is new: without them a power loss takes the ledgers. */
  async #createFolder(): Promise<void> {
    const first = await fs.mkdir(this.#folder, { recursive: true, mode: 0o700 });
    if (first === undefined) return;
    for (let folder = resolve(this.#folder); folder.length >= resolve(first).length; folder = dirname(folder)) {
      await flushFolder(dirname(folder));
    }
  }

  /** Writes a version. False if another process was first; the record is then unchanged, or newer than this version. */
  async #write(owner: string, version: number, bytes: Uint8Array): Promise<boolean> {
    const temporary = join(this.#folder, `${owner}.${randomUUID()}.tmp`);
    try {
      const file = await fs.open(temporary, "wx", 0o600);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await fs.link(temporary, this.#path(owner, version));
    } catch (error) {
      if (codeOf(error) === "EEXIST") return false;
      throw error;
    } finally {
      await fs.rm(temporary, { force: true });
    }
    // The number may have been free because the others are far ahead and have removed it. They keep many versions, so the
    // list shows a newer one even if it changes while it is read.
    const versions = await this.#versions(owner);
    if (versions.some((other) => other > version)) return false;
    await flushFolder(this.#folder);
    await this.#clean(owner, versions.filter((old) => old <= version - KEPT));
    return true;
  }

  /** The numbers of a record's versions. */
  async #versions(owner: string): Promise<number[]> {
    const names = await fs.readdir(this.#folder);
    const numbers = names.map((name) => (name.startsWith(`${owner}.`) ? name.slice(owner.length + 1) : ""));
    return numbers.filter((number) => /^[1-9]\d*$/.test(number)).map(Number);
  }

  /** Returns the bytes of a version, or undefined if it is gone. */
  async #read(owner: string, version: number): Promise<Uint8Array | undefined> {
    try {
      return new Uint8Array(await fs.readFile(this.#path(owner, version)));
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Removes old versions, and temporary files of processes that were killed. The change is already complete. */
  async #clean(owner: string, versions: readonly number[]): Promise<void> {
    const remove = (path: string) => fs.rm(path, { force: true }).catch(() => undefined);
    for (const version of versions) await remove(this.#path(owner, version));
    // Rarely: once in as many versions as are kept.
    if (versions.some((version) => version % KEPT === 0)) await this.#removeLeftBehind(owner, remove);
  }

  async #removeLeftBehind(owner: string, remove: (path: string) => Promise<void>): Promise<void> {
    const names = await fs.readdir(this.#folder).catch(() => []);
    for (const name of names.filter((name) => name.startsWith(`${owner}.`) && name.endsWith(".tmp"))) {
      const path = join(this.#folder, name);
      const modified = await fs.stat(path).then(({ mtimeMs }) => mtimeMs, () => Number.POSITIVE_INFINITY);
      if (modified < Date.now() - LEFT_BEHIND_MS) await remove(path);
    }
  }

  #path(owner: string, version: number): string {
    return join(this.#folder, `${owner}.${version}`);
  }
}

/** Flushes the names in a folder. Windows has no such call: its file systems record names in their journal. */
async function flushFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await fs.open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown } | null)?.code;
}
