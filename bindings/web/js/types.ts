import type { Gossip, RejectionName } from "./codes.js";
import type { Lists } from "./lists.js";

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
  /** The stakes of which a post proves one, ascending from `minStake`; only `minStake` if not given. */
  readonly stakeLevels?: readonly number[];
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
  /** Whose lists the room enforces, and how its posts are reported. Without it, there is no moderation. */
  readonly moderation?: ModerationPolicy;
}

/** The moderation of a room. */
export interface ModerationPolicy {
  /** The lists that each post answers to, in this order. */
  readonly lists: readonly PolicyList[];
  /** Time for which a superseded version of a list is accepted, in seconds. */
  readonly listWindow: number;
  /** Days in which a post can be reported; 0 if none can. */
  readonly reportDays: number;
  /** Number of reports at which a post is held, if any. */
  readonly hideAt?: number;
  /** The recipients of age to which reports are encrypted. Without them, a report has no comment and no message. */
  readonly reportRecipients: readonly string[];
}

/** A list that a room enforces: the strikes in force of a moderation log. */
export interface PolicyList {
  /** Identity of the log: 64 hexadecimal digits. */
  readonly log: string;
  /** The most entries, 1 to 1,024. The newest count. */
  readonly limit: number;
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

/**
 * The proving keys of the circuits. A prover needs the badge key only to make or check badges, and the other three only for
 * rooms with moderation: they are fetched when they are needed for the first time.
 */
export interface KeySources {
  readonly post: KeySource;
  readonly badge?: KeySource;
  /** For deletions, appeals and reports. */
  readonly author?: KeySource;
  /** For posts in a room whose lists are not empty. */
  readonly record16?: KeySource;
  /** For posts in a room with a list of more than 64 entries: 9 MB. */
  readonly record128?: KeySource;
}

/** Progress of loading keys. */
export interface KeyProgress {
  readonly circuit: keyof KeySources;
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

/** Settings of a moderation log. They come with the address of the room or with the app, never from a relay's answer. */
export interface LogSettings {
  /** The origin of the log, for example `relay.example/moderation`. */
  readonly origin: string;
  /** The log's root key, as `NAME+HASH+KEY`. */
  readonly rootKey: string;
  /** Addresses of relays that have the log or a copy of it, in the order in which they are asked. */
  readonly servers: readonly (string | URL)[];
  /**
   * Public keys of witnesses, as `NAME+HASH+KEY`. They are not the operator's: a witness makes sure that all readers see the
   * same log.
   */
  readonly witnesses: readonly string[];
  /** How many of these witnesses must have cosigned what is used; one if not given. */
  readonly required?: number;
}

/** A server of logs; `relayLog` is a relay. What it returns is checked. */
export interface LogServer {
  /** Returns what is at a path of a log, or null if the server does not have it. Fails if it does not answer. */
  fetch(log: string, path: string, signal?: AbortSignal): Promise<Uint8Array | null>;
}

/** Options of lists. */
export interface ListsOptions {
  /** Connects to a server of the settings; `relayLog` if not given. */
  readonly connect?: (address: string) => LogServer;
}

/** A list as it was read. */
export interface ListState {
  /** Identity of the log: 64 hexadecimal digits. */
  readonly log: string;
  /** Number of entries of the log, as decimal text. */
  readonly size: string;
  /** Number of listed posts. */
  readonly entries: number;
}

/** Progress of the preparation of records. */
export interface RecordProgress {
  /** The list that is prepared next, from 0; equal to `lists` at the end. */
  readonly list: number;
  readonly lists: number;
  /** Number of its entries. */
  readonly entries: number;
}

/** What others see of a post: 64 hexadecimal digits each. Its author needs it to delete the post, or to appeal. */
export interface PostEntry {
  readonly x: string;
  readonly y: string;
  readonly nullifier: string;
}

/** A reason to report or to strike a post. */
export type Reason =
  | "spam"
  | "malware"
  | "harassment"
  | "hate"
  | "nudity"
  | "violence"
  | "csam"
  | "impersonation"
  | "illegal"
  | "other";

/** A strike of one of the account's own posts. Only the account itself can find it. */
export interface Strike {
  /** The origin of the log that has it. */
  readonly origin: string;
  /** Identity of this log. */
  readonly log: string;
  /** Relays that take an appeal: send it to `/v1/author` there. */
  readonly servers: readonly string[];
  /** The post. */
  readonly entry: PostEntry;
  /** What the log says about it; null if that cannot be fetched now. */
  readonly details: StrikeDetails | null;
}

/** What a log says about a strike. */
export interface StrikeDetails {
  /** Its identity, with which a relay is asked for the answer to an appeal. */
  readonly id: string;
  /** Its place in the log, as decimal text. */
  readonly index: string;
  /** When it was made, in Unix seconds. */
  readonly at: number;
  /** The scope of the post. */
  readonly scope: string;
  readonly reason: Reason;
  /** The law or the rule that was broken. */
  readonly ground: { readonly kind: "illegal" | "incompatible"; readonly reference: string };
  /** The Unix second at which it ends; null if it has no end. */
  readonly until: number | null;
  /** The statement of reasons; null if it was erased, or is not served. */
  readonly text: string | null;
  /** Whether a program found the post. */
  readonly automatedDetection: boolean;
  /** Whether a program decided. */
  readonly automatedDecision: boolean;
}

/** Two checkpoints of one log that do not belong to one history. Publish them: they prove it. */
export interface ForkedLog {
  readonly seen: string;
  readonly shown: string;
}

/** Options to prepare for posts. */
export interface PrepareOptions extends TimedOptions {
  /** The lists of the room, which were synced. A room with lists needs them. */
  readonly lists?: Lists;
  /**
   * The stake level to prove, one of the policy's; the lowest if not given. A post at a higher level hides its author among
   * fewer members: `Membership.meeting` counts them.
   */
  readonly stake?: number;
  /** Reports the lists that are prepared. */
  readonly onProgress?: (progress: RecordProgress) => void;
}

/** Options of a renewal of lists. */
export interface RefreshOptions extends TimedOptions {
  readonly onProgress?: (progress: RecordProgress) => void;
}

/** Options of a count of members. */
export interface MeetingOptions extends TimedOptions {
  /** A stake level of the room; the lowest if not given. */
  readonly stake?: number;
}

/** Options of a verification. */
export interface VerifyOptions extends TimedOptions {
  /** The lists of the room, which were synced. In a room with lists, no post is accepted without them. */
  readonly lists?: Lists;
}

/** The answer of a relay to a post, as far as `PreparedProver.send` reads it. */
export interface RelayAnswer {
  readonly verdict: string;
}

/** A deletion or an appeal, ready to be sent: the body of `POST /v1/author`. */
export interface AuthorRequest {
  readonly scope: string;
  readonly entry: PostEntry;
  readonly time: string;
  readonly kind: "delete" | "appeal";
  readonly text?: string;
  readonly proof: string;
}

/** What a report says. Everything but the reason is for the moderators alone, and needs `encrypt`. */
export interface Report {
  readonly reason: Reason;
  readonly comment?: string;
  /**
   * The reported message. Do not give it for the reason `csam`: the report then has the pass alone, so that no such content
   * is sent on.
   */
  readonly message?: string | Uint8Array;
  /** The reported pass. */
  readonly pass?: Uint8Array;
}

/** Encrypts the body of a report with age, to all recipients that the room's policy names. */
export type EncryptReport = (body: Uint8Array, recipients: readonly string[]) => Promise<Uint8Array>;

/** Options of a report. */
export interface ReportOptions extends TimedOptions {
  /** The lists of the room, which were synced. A room with lists needs them. */
  readonly lists?: Lists;
  /** Needed in rooms with recipients: `encryptReport` of `@quotapass/web/age`. */
  readonly encrypt?: EncryptReport;
}

/** A report, ready to be sent: the body of `POST /v1/report`. */
export interface ReportRequest {
  readonly scope: string;
  readonly nullifier: string;
  readonly pass: string;
  readonly time: string;
  readonly body: string;
  readonly proof: string;
}

/** A post, ready to be sent. */
export interface Post {
  /**
   * The pass: 246 bytes, and in a room with lists at most 1,371 bytes. It does not contain scope or message.
   */
  readonly pass: Uint8Array;
  /** The pass as text: base64url without padding. */
  readonly text: string;
  readonly nullifier: string;
  /** What others see of the post. Keep it to delete the post later. */
  readonly entry: PostEntry;
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
