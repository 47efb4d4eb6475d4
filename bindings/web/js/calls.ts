import type { ErrorCode } from "./codes.js";
import type {
  AuthorRequest,
  Badge,
  BadgeVerdict,
  ListState,
  Member,
  Post,
  PostVerdict,
  QuotaStatus,
  ReportRequest,
  Strike,
} from "./types.js";

/** The number of an object in the module's engine. */
export type Id = number;

/** A registry and a policy in the form that the module reads. */
export interface RoomArgument {
  readonly registry: { readonly chain_id: string; readonly address: string };
  readonly policy: {
    readonly name: string;
    readonly epoch_seconds: number;
    readonly limit_cap: number;
    readonly min_stake: number;
    readonly min_age_days: number;
    readonly root_window: number;
    readonly max_clock_skew: number;
    readonly stake_levels?: readonly number[];
    readonly moderation?: object;
  };
  /** The scope that a relay states for the policy. */
  readonly scope: string | null;
  /** The name of the room; the policy has this name, or that of a pattern. */
  readonly name: string;
}

/** A seed encrypted with the client's key: a nonce of 12 bytes, then AES-GCM. */
export type SealedSeed = Uint8Array;

/** The data that a sync still needs, or its result. */
export type SyncAnswer =
  | { readonly needs: "upper" }
  | { readonly needs: readonly number[] }
  | { readonly needs: null; readonly asked: [number, number] | null; readonly hiddenAmong: number };

/** The circuits whose keys are loaded when they are needed for the first time. */
export type LaterCircuit = "author" | "record16" | "record128";

/** Settings of a log in the form that the module reads. */
export interface LogArgument {
  readonly origin: string;
  readonly root_key: string;
  readonly servers: readonly string[];
  readonly witnesses: readonly string[];
  readonly cosignatures: number;
}

/** What was fetched for a list: bytes, null if the server does not have it, or the reason why it does not answer. */
export interface LogAnswer {
  readonly list: number;
  readonly path: string;
  readonly bytes: Uint8Array | null;
  readonly failure?: string;
}

/** What a reader of lists needs next. */
export type ListsNeed =
  /** The paths to fetch, for each list. */
  | { readonly wanted: readonly (readonly string[])[] }
  /** A list whose server is to be changed, and why. */
  | { readonly refused: { readonly list: number; readonly code: ErrorCode; readonly message: string } };

/** What a reader needs next, or the lists that are in use now. */
export type ListsAnswer = ListsNeed | { readonly lists: readonly ListState[] };

/** What a test needs next, or the strikes of the account; the message is empty without strikes. */
export type TestAnswer = ListsNeed | { readonly strikes: readonly Strike[]; readonly message?: string };

/** Arguments of a new ledger. */
export interface NewLedger {
  readonly suspectUntil: number | null;
  readonly device: number;
  readonly devices: number;
  readonly replace: boolean;
}

/** The calls of the engine, by name, with arguments and result. All of these values can be cloned to a worker. */
export interface Calls {
  generateIdentity: () => { id: Id; sealed: SealedSeed };
  restoreIdentity: (words: string) => { id: Id; sealed: SealedSeed };
  openIdentity: (sealed: SealedSeed) => Id;
  mnemonic: (identity: Id) => string;
  account: (identity: Id, registry: RoomArgument["registry"], number: number) => { id: Id; commitment: string };
  newMembership: (index: number, commitment: string) => Id;
  readMembership: (bytes: Uint8Array) => Id;
  listMembership: (index: number, commitment: string, members: readonly (Member | null)[]) => Id;
  sync: (
    membership: Id,
    root: string,
    memberCount: number,
    upper: Uint8Array | null,
    buckets: readonly (readonly [number, Uint8Array])[],
  ) => SyncAnswer;
  membershipRoot: (membership: Id) => string | null;
  member: (membership: Id) => Member;
  membersMeeting: (membership: Id, room: RoomArgument, stake: number | null, now: number) => number;
  membershipBytes: (membership: Id) => Uint8Array;
  loadProver: (post: Uint8Array, badge: Uint8Array | null, trusted: readonly string[]) => { id: Id; origin: string; isDevelopment: boolean };
  needsKey: (prover: Id, circuit: LaterCircuit) => boolean;
  addKey: (prover: Id, circuit: LaterCircuit, key: Uint8Array) => void;
  logIdentity: (settings: LogArgument) => string;
  openLists: (room: RoomArgument, settings: readonly LogArgument[]) => Id;
  readLists: (lists: Id, answers: readonly LogAnswer[], restart: readonly number[], now: number) => ListsAnswer;
  testLists: (lists: Id, account: Id, answers: readonly LogAnswer[]) => TestAnswer;
  needLarge: (lists: Id) => boolean;
  prepare: (prover: Id, account: Id, membership: Id, room: RoomArgument, stake: number | null, now: number) => Id;
  prepareLists: (prepared: Id, prover: Id, lists: Id) => void;
  preparedRoot: (prepared: Id) => string;
  update: (prepared: Id, membership: Id) => void;
  post: (prepared: Id, account: Id, message: Uint8Array, now: number | null) => Post;
  author: (prover: Id, account: Id, room: RoomArgument, scope: string, entry: string, text: string | null, now: number) => AuthorRequest;
  reportBody: (room: RoomArgument, body: string) => { bytes: Uint8Array; encrypt: boolean };
  report: (
    prover: Id,
    account: Id,
    membership: Id,
    lists: Id | null,
    room: RoomArgument,
    nullifier: string,
    body: Uint8Array,
    isEncrypted: boolean,
    now: number,
  ) => ReportRequest;
  badge: (prover: Id, account: Id, membership: Id, room: RoomArgument, chatKey: Uint8Array, now: number) => Badge;
  badgeChallengeMessage: (room: RoomArgument, challenge: Uint8Array) => Uint8Array;
  verifyPost: (
    prover: Id,
    room: RoomArgument,
    message: Uint8Array,
    pass: Uint8Array | string,
    roots: readonly string[],
    now: number,
    lists: Id | null,
  ) => PostVerdict;
  verifyBadge: (prover: Id, room: RoomArgument, pass: Uint8Array | string, roots: readonly string[], now: number) => BadgeVerdict;
  recover: (room: RoomArgument, first: string, second: string) => string;
  recoverSecret: (room: RoomArgument, first: string, second: string) => string;
  createLedger: (account: Id, options: NewLedger) => { persisted: boolean };
  openLedger: (account: Id) => void;
  confirmCurrent: (account: Id) => void;
  quotaLeft: (account: Id, membership: Id, room: RoomArgument, now: number) => QuotaStatus;
  close: (object: Id) => void;
}

export type CallName = keyof Calls;
export type CallArguments<N extends CallName> = Parameters<Calls[N]>;
export type CallResult<N extends CallName> = ReturnType<Calls[N]>;
