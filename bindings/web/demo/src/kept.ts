import type { PostEntry } from "../../js/index.js";

/** What the tab keeps over a reload. It is in the session storage, so a second tab is another member. */

/** A message with its pass that is not delivered. The same pass is sent again, because each pass uses a number. */
export interface Unsent {
  readonly message: string;
  readonly pass: string;
  /** Number of messages left after this one. */
  readonly left: number;
}

export interface Kept {
  /** The words of the identity. */
  words: string;
  /** The index of its deposit. */
  index?: number;
  /** The ledger's key in the browser's storage. */
  owner?: string;
  /** The ledger's record as it was before the first message. */
  empty?: number[];
  /** The bytes of the membership in base64, so that a reload fetches nothing while the tree is unchanged. */
  membership?: string;
  /** The entries of the member's own messages, oldest first. The member needs them to delete a message. */
  mine?: PostEntry[];
  /** The strike against which the member appealed last. */
  appealed?: string;
  unsent?: Unsent;
  /** Whether the deposit is lost. */
  lost?: boolean;
}

const KEY = "quotapass-demo";
/** Number of own messages that are recognised after a reload. */
const MINE = 100;

/** Reads what is kept; null if there is nothing, or if it cannot be read. */
export function read(): Kept | null {
  try {
    const kept: Kept | null = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
    return typeof kept?.words === "string" ? kept : null;
  } catch {
    return null;
  }
}

/** Returns the entry of the member's own message with this nullifier. */
export function ownEntry(kept: Kept | null | undefined, nullifier: unknown): PostEntry | undefined {
  return kept?.mine?.find((entry) => bare(entry.nullifier) === bare(nullifier));
}

/** The digits of a field element, which is written with or without `0x`. */
function bare(value: unknown): string {
  return String(value).replace(/^0x/, "");
}

export function write(kept: Kept): void {
  kept.mine?.splice(0, kept.mine.length - MINE);
  sessionStorage.setItem(KEY, JSON.stringify(kept));
}

/** Forgets the member, and loads the page again. */
export function beginAgain(): void {
  sessionStorage.removeItem(KEY);
  location.reload();
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
