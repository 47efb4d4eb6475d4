/** A registry contract: EIP-155 chain id, and address as `0x` and 40 hexadecimal digits. */
export interface Registry {
  readonly chainId: number | bigint;
  readonly address: string;
}

/** What a room asks of its posters: its scope's policy (protocol, sections 4 and 7). */
export interface Policy {
  /** The scope's name. */
  readonly name: string;
  /** Length of an epoch in seconds. */
  readonly epochSeconds: number;
  /** Cap on messages per epoch, 1 to 65,535, whatever the member's own limit. */
  readonly limitCap: number;
  /** Least stake, in the registry's stake units. */
  readonly minStake: number;
  /** Least age of a deposit in days. */
  readonly minAgeDays: number;
  /** How long a superseded root is accepted, in seconds. */
  readonly rootWindow: number;
  /** Clock difference allowed around an epoch's edges, in seconds. */
  readonly maxClockSkew: number;
  /** The number of the policy among those of its scope; 1 if there is none. */
  readonly version?: number;
  /** The Unix second from which it holds; 0 if none is stated. */
  readonly from?: number;
}

/** A member as the registry has it. */
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

/** Whose path is wanted: the index that the deposit was given, and the commitment deposited for. */
export interface OwnMembership {
  readonly index: number;
  readonly commitment: string;
}

/** The member tree as the chain has it at one block. Read both values from an endpoint the relay has no say in. */
export interface ChainHead {
  /** The root: `0x` and 64 hexadecimal digits. */
  readonly root: string;
  /** Members ever added. */
  readonly memberCount: number;
}

/** Where upper nodes and buckets come from, as the bytes that a relay serves; `relayMembers` asks a relay. */
export interface MembersSource {
  /** What `GET /v1/members/upper` answers. */
  upperNodes(signal?: AbortSignal): Promise<Uint8Array>;
  /** What `GET /v1/members/buckets/{number}` answers. */
  bucket(number: number, signal?: AbortSignal): Promise<Uint8Array>;
}

/** What a sync has done. */
export interface Synced {
  /** The first and last bucket that were asked for; null if none were. */
  readonly asked: readonly [number, number] | null;
  /** Members among whom this one hides, itself included. */
  readonly hiddenAmong: number;
}

/**
 * A proving key: where to fetch it, and the SHA-256 of the whole file as 64 hexadecimal digits; or its bytes.
 * What is fetched is kept in IndexedDB under its hash.
 */
export type KeySource = { readonly url: string | URL; readonly sha256: string } | Uint8Array;

/** The proving keys of the circuits. A prover that makes and checks no badges needs no badge key. */
export interface KeySources {
  readonly post: KeySource;
  readonly badge?: KeySource;
}

/** How far the loading of keys has come. */
export interface KeyProgress {
  readonly circuit: "post" | "badge";
  readonly step: "fetching" | "checking" | "reading";
  /** Bytes so far. */
  readonly loaded: number;
  /** Bytes of the whole file, if they are known. */
  readonly total: number | null;
}

/** A long call that can be cancelled. A cancelled call fails with the code `aborted`. */
export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** A call that depends on the time. */
export interface TimedOptions extends CallOptions {
  /** Unix seconds; the clock's if there are none. */
  readonly now?: number;
}

/** How keys are loaded. */
export interface LoadOptions extends CallOptions {
  /**
   * SHA-256 of the key files that are trusted, as 64 hexadecimal digits each: those made from the result of a ceremony.
   * Without any, the development keys are used, and no others.
   */
  readonly trusted?: readonly string[];
  readonly onProgress?: (progress: KeyProgress) => void;
}

/** A post, ready to be sent. */
export interface Post {
  /** The pass: 246 bytes. Scope and message are not in it. */
  readonly pass: Uint8Array;
  /** The pass as text: base64url without padding. */
  readonly text: string;
  readonly nullifier: string;
  readonly root: string;
  /** Number of the epoch. */
  readonly epoch: number;
  readonly epochSeconds: number;
  /** Messages left to this device in the epoch. */
  readonly left: number;
}

/** A badge, ready to be sent. */
export interface Badge {
  readonly pass: Uint8Array;
  /** The pass as text: base64url without padding. */
  readonly text: string;
  /** The member's only pseudonym in the scope. */
  readonly pseudonym: string;
  readonly root: string;
}

/** How a quota stands. */
export interface QuotaStatus {
  /** Number of the epoch that the moment lies in. */
  readonly epoch: number;
  readonly epochSeconds: number;
  /** Messages of this device in it. */
  readonly used: number;
  /** How many more this device can send in it. */
  readonly left: number;
  /** Unix second at which the next epoch begins in which messages can be sent. */
  readonly nextBegins: number;
}

/** One of several devices that share an identity: `device` from 0, of `devices`. Their message ids are disjoint. */
export interface DeviceShare {
  readonly device: number;
  readonly devices: number;
}

/** What a new ledger is told about the past. */
export interface LedgerOptions {
  /**
   * `none`: this identity has never posted under this device share. `unknown`: it may have, so that all epochs up to now
   * are refused; choose it whenever in doubt, for a message id used twice costs the deposit.
   */
  readonly history: "none" | "unknown";
  /** The only device if there is none. */
  readonly share?: DeviceShare;
  /** Replace a ledger that is there; only with `history: "unknown"`. */
  readonly replace?: boolean;
  /** Unix seconds; the clock's if there are none. */
  readonly now?: number;
}

/** How a gossip node treats the sender. */
export type Gossip = "accept" | "ignore" | "reject";

/** What an accepted post shows. Two of one nullifier and different `x` give the sender's secret away. */
export interface PostFacts {
  readonly nullifier: string;
  readonly share: { readonly x: string; readonly y: string };
  readonly root: string;
  readonly epoch: number;
  readonly epochSeconds: number;
  readonly requirement: { readonly minStake: number; readonly sinceMax: number };
  readonly limitCap: number;
}

/** What an accepted badge shows. */
export interface BadgeFacts {
  readonly pseudonym: string;
  readonly chatKey: Uint8Array;
  readonly root: string;
  readonly requirement: { readonly minStake: number; readonly sinceMax: number };
}

/** The verdicts that need no record of what was accepted before (protocol, section 7). */
export type RejectionName =
  | "unknown_root"
  | "epoch_out_of_range"
  | "requirement_mismatch"
  | "invalid_proof"
  | "malformed";

/** Why a pass is not accepted. */
export interface Rejection {
  readonly verdict: RejectionName;
  readonly gossip: Gossip;
  /** The verdict and its reason in words. */
  readonly message: string;
  /** As in a relay's answers; only where there is one. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** The verdict on a post by itself. Whether its nullifier was seen before is for the caller to remember. */
export type PostVerdict = ({ readonly verdict: "accepted"; readonly gossip: "accept" } & PostFacts) | Rejection;

/** The verdict on a badge by itself. */
export type BadgeVerdict = ({ readonly verdict: "accepted"; readonly gossip: "accept" } & BadgeFacts) | Rejection;
