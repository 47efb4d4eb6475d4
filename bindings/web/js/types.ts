import type { Gossip, RejectionName } from "./codes.js";

/**
 * A registry contract: EIP-155 chain id, and address as `0x` and 40 hexadecimal digits. If its letters are in upper and lower
 * case, they must have the right case (EIP-55).
 */
export interface Registry {
  readonly chainId: number | bigint;
  readonly address: string;
}

/** A room's requirements for posters: the policy of its scope (protocol, sections 4 and 7). */
export interface Policy {
  /** The scope's name. */
  readonly name: string;
  /** Length of an epoch in seconds. */
  readonly epochSeconds: number;
  /** Maximum number of messages per epoch, 1 to 65,535, even if the member's own limit is higher. */
  readonly limitCap: number;
  /** Minimum stake, in the registry's stake units. */
  readonly minStake: number;
  /** Minimum age of a deposit in days. */
  readonly minAgeDays: number;
  /** Time for which a superseded root is accepted, in seconds. */
  readonly rootWindow: number;
  /** Clock difference allowed around an epoch's edges, in seconds. */
  readonly maxClockSkew: number;
  /** The number of the policy among the policies of its scope; 1 if not given. */
  readonly version?: number;
  /** The Unix second at which it takes effect; 0 if not stated. */
  readonly from?: number;
}

/** A member of the registry. */
export interface Member {
  /** Identity commitment: `0x` and 64 hexadecimal digits. */
  readonly commitment: string;
  /** Stake in the registry's stake units. */
  readonly stake: number;
  /** Messages per epoch and scope, 1 to 65,535. */
  readonly messageLimit: number;
  /** The day of the deposit: whole days since the Unix epoch. */
  readonly since: number;
}

/**
 * The membership whose path is needed: the index that the registry gave the deposit, and the commitment of the deposit.
 */
export interface OwnMembership {
  readonly index: number;
  readonly commitment: string;
}

/**
 * The state of the member tree on the chain at one block. Read both values from an endpoint that the relay does not
 * control.
 */
export interface ChainHead {
  /** The root: `0x` and 64 hexadecimal digits. */
  readonly root: string;
  /** Members ever added. */
  readonly memberCount: number;
}

/** A source of upper nodes and buckets, in the bytes that a relay serves; `relayMembers` asks a relay. */
export interface MembersSource {
  /** Returns the answer to `GET /v1/members/upper`. */
  upperNodes(signal?: AbortSignal): Promise<Uint8Array>;
  /** Returns the answer to `GET /v1/members/buckets/{number}`. */
  bucket(number: number, signal?: AbortSignal): Promise<Uint8Array>;
}

/** Result of a sync. */
export interface Synced {
  /** The first and last requested bucket; null if none were requested. */
  readonly asked: readonly [number, number] | null;
  /** Size of the anonymity set of this member, itself included. */
  readonly hiddenAmong: number;
}

/**
 * A proving key: where to fetch it, and the SHA-256 of the whole file as 64 hexadecimal digits; or its bytes. A fetched
 * file is stored in IndexedDB under its hash.
 */
export type KeySource = { readonly url: string | URL; readonly sha256: string } | Uint8Array;

/** The proving keys of the circuits. A prover needs the badge key only to make or check badges. */
export interface KeySources {
  readonly post: KeySource;
  readonly badge?: KeySource;
}

/** Progress of loading keys. */
export interface KeyProgress {
  readonly circuit: "post" | "badge";
  readonly step: "fetching" | "checking" | "reading";
  /** Bytes loaded so far. */
  readonly loaded: number;
  /** Size of the whole file in bytes, if known. */
  readonly total: number | null;
}

/** A long call that can be cancelled. A cancelled call fails with the code `aborted`. */
export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** Options of a sync. */
export interface SyncOptions extends CallOptions {
  /** Time for which a source that is behind is asked again, in milliseconds; 30 seconds if not given. */
  readonly patience?: number;
}

/** A call that depends on the time. */
export interface TimedOptions extends CallOptions {
  /** Unix seconds; the clock's time if not given. */
  readonly now?: number;
}

/** Options for loading keys. */
export interface LoadOptions extends CallOptions {
  /**
   * The id of each trusted key, 64 hexadecimal digits, as `quotapass keys export-app` prints it. Trust keys that were
   * made from the result of a ceremony. If the list is empty, only the development keys are used.
   */
  readonly trusted?: readonly string[];
  readonly onProgress?: (progress: KeyProgress) => void;
}

/** A post, ready to be sent. */
export interface Post {
  /** The pass: 246 bytes. It does not contain scope or message. */
  readonly pass: Uint8Array;
  /** The pass as text: base64url without padding. */
  readonly text: string;
  readonly nullifier: string;
  readonly root: string;
  /** Number of the epoch. */
  readonly epoch: number;
  readonly epochSeconds: number;
  /** Number of messages that this device can still send in the epoch. */
  readonly left: number;
}

/** A badge, ready to be sent. */
export interface Badge {
  readonly pass: Uint8Array;
  /** The pass as text: base64url without padding. */
  readonly text: string;
  /** The member's pseudonym in the scope; a member has only one. */
  readonly pseudonym: string;
  readonly root: string;
}

/** Status of a quota. */
export interface QuotaStatus {
  /** Number of the epoch at the requested time. */
  readonly epoch: number;
  readonly epochSeconds: number;
  /** Number of messages that this device has sent in it. */
  readonly used: number;
  /** Number of messages that this device can still send in it. */
  readonly left: number;
  /** Start of the next epoch in which messages can be sent, in Unix seconds. */
  readonly nextBegins: number;
}

/** One of several devices that share an identity: `device` from 0, of `devices`. Their message ids are disjoint. */
export interface DeviceShare {
  readonly device: number;
  readonly devices: number;
}

/** Options of a new ledger. */
export interface LedgerOptions {
  /**
   * `none`: this identity has never posted under this device share. `unknown`: it may have, so all epochs up to now are
   * refused. Choose it when in doubt, because a message id used twice costs the deposit.
   */
  readonly history: "none" | "unknown";
  /** The only device if not given. */
  readonly share?: DeviceShare;
  /** Replace an existing ledger; only with `history: "unknown"`. */
  readonly replace?: boolean;
  /** Unix seconds; the clock's time if not given. */
  readonly now?: number;
}

/** Facts of an accepted post. Two posts with the same nullifier and different `x` reveal the sender's secret. */
export interface PostFacts {
  readonly nullifier: string;
  readonly share: { readonly x: string; readonly y: string };
  readonly root: string;
  readonly epoch: number;
  readonly epochSeconds: number;
  readonly requirement: { readonly minStake: number; readonly sinceMax: number };
  readonly limitCap: number;
}

/** Facts of an accepted badge. */
export interface BadgeFacts {
  readonly pseudonym: string;
  readonly chatKey: Uint8Array;
  readonly root: string;
  readonly requirement: { readonly minStake: number; readonly sinceMax: number };
}

/** Reason to reject a pass. */
export interface Rejection {
  readonly verdict: RejectionName;
  readonly gossip: Gossip;
  /** The verdict and its reason as text. */
  readonly message: string;
  /** Details as in a relay's answers, if any. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** The verdict on a single post. The caller must remember nullifiers and check whether this one was seen before. */
export type PostVerdict = ({ readonly verdict: "accepted"; readonly gossip: "accept" } & PostFacts) | Rejection;

/** The verdict on a single badge. */
export type BadgeVerdict = ({ readonly verdict: "accepted"; readonly gossip: "accept" } & BadgeFacts) | Rejection;
