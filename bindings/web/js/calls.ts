import type { Badge, BadgeVerdict, Member, Post, PostVerdict, QuotaStatus } from "./types.js";

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
  };
  /** The scope that a relay states. */
  readonly scope: string | null;
}

/** A seed encrypted with the client's key: a nonce of 12 bytes, then AES-GCM. */
export type SealedSeed = Uint8Array;

/** The data that a sync still needs, or its result. */
export type SyncAnswer =
  | { readonly needs: "upper" }
  | { readonly needs: readonly number[] }
  | { readonly needs: null; readonly asked: [number, number] | null; readonly hiddenAmong: number };

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
  membersMeeting: (membership: Id, room: RoomArgument, now: number) => number;
  membershipBytes: (membership: Id) => Uint8Array;
  loadProver: (post: Uint8Array, badge: Uint8Array | null, trusted: readonly string[]) => { id: Id; origin: string; isDevelopment: boolean };
  prepare: (prover: Id, account: Id, membership: Id, room: RoomArgument, now: number) => Id;
  preparedRoot: (prepared: Id) => string;
  update: (prepared: Id, membership: Id) => void;
  post: (prepared: Id, account: Id, message: Uint8Array, now: number | null) => Post;
  badge: (prover: Id, account: Id, membership: Id, room: RoomArgument, chatKey: Uint8Array, now: number) => Badge;
  badgeChallengeMessage: (room: RoomArgument, challenge: Uint8Array) => Uint8Array;
  verifyPost: (
    prover: Id,
    room: RoomArgument,
    message: Uint8Array,
    pass: Uint8Array | string,
    roots: readonly string[],
    now: number,
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
