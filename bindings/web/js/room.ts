import type { LogArgument, RoomArgument } from "./calls.js";
import { QuotapassError } from "./errors.js";
import type { LogSettings, ModerationPolicy, Policy, Registry } from "./types.js";

/** A room: a scope at a registry, and its policy. The values are checked when they are used. */
export class Room {
  readonly registry: Registry;
  readonly policy: Policy;
  /**
   * @internal The name and the scope under which a relay lists the policy: the room's own, or those of a pattern. If they do
   * not match the registry and each other, every use fails.
   */
  readonly listed: ListedScope | null;

  constructor(registry: Registry, policy: Policy);
  /** @internal */
  constructor(registry: Registry, policy: Policy, listed: ListedScope);
  constructor(registry: Registry, policy: Policy, listed: ListedScope | null = null) {
    this.registry = { ...registry };
    this.policy = { ...policy };
    this.listed = listed;
  }

  /**
   * Reads the room of this name from a relay's answer to `/v1/policy`, parsed or as text: listed by its own name, or by a
   * pattern such as `room/*`, of which the longest counts. Registry and policy are then what the relay states. An account of another registry is refused later, and so is a room whose scope differs from
   * the stated one.
   */
  static fromPolicy(document: unknown, name: string): Room {
    const refuse = (what: string): never => {
      throw new QuotapassError("invalid_argument", `this is not a relay's answer to /v1/policy: ${what}`);
    };
    let value = document;
    if (typeof document === "string") {
      try {
        value = JSON.parse(document);
      } catch {
        refuse("it is not JSON");
      }
    }
    const { registry, scopes } = (value ?? {}) as PolicyDocument;
    if (typeof registry?.address !== "string" || !Number.isSafeInteger(registry.chain_id)) return refuse("it names no registry");
    const scope = Array.isArray(scopes) ? listedFor(scopes, name) : refuse("it lists no scopes");
    if (scope === undefined) throw new QuotapassError("invalid_argument", `the relay has no scope \`${name}\``);
    if (typeof scope.scope !== "string") return refuse(`it states no scope of \`${name}\``);
    return new Room(
      { chainId: registry.chain_id, address: registry.address },
      {
        name,
        epochSeconds: scope.epoch_seconds,
        limitCap: scope.limit_cap,
        minStake: scope.min_stake,
        minAgeDays: scope.min_age_days,
        rootWindow: scope.root_window,
        maxClockSkew: scope.max_clock_skew,
        version: scope.version ?? 1,
        from: scope.from ?? 0,
        ...(scope.stake_levels === undefined ? {} : { stakeLevels: scope.stake_levels }),
        ...(scope.moderation == null ? {} : { moderation: readModeration(scope.moderation) }),
      },
      { name: scope.name, scope: scope.scope },
    );
  }

  /**
   * SHA-256 of the policy's canonical JSON (RFC 8785), as 64 hexadecimal digits. Relays publish it as `policy_hash`. It
   * is computed from the values that posts will state, and not taken from the relay. Only rooms from `fromPolicy` have
   * it.
   */
  async policyHash(): Promise<string> {
    const { policy, listed } = this;
    if (listed === null) throw new QuotapassError("invalid_argument", "only rooms from a relay's policy have a hash: use Room.fromPolicy");
    // The members are in their canonical order, and JSON.stringify writes them as RFC 8785 requires. It leaves out what is
    // undefined.
    const canonical = JSON.stringify({
      epoch_seconds: policy.epochSeconds,
      from: moment(policy.from ?? 0),
      limit_cap: policy.limitCap,
      max_clock_skew: policy.maxClockSkew,
      min_age_days: policy.minAgeDays,
      min_stake: policy.minStake,
      moderation: policy.moderation && moderationArgument(policy.moderation),
      name: listed.name,
      root_window: policy.rootWindow,
      scope: listed.scope.replace(/^0x/, ""),
      stake_levels: policy.stakeLevels?.length ? policy.stakeLevels : undefined,
      version: policy.version ?? 1,
    });
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(canonical));
    return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /**
   * Returns this room if the app pins the hash of its policy. An app pins the policy of today and the announced next
   * ones. A relay that serves a special policy to one member recognises this member's posts by the values that they
   * state. Fails with the code `policy_not_pinned`.
   */
  async pinned(...hashes: readonly string[]): Promise<this> {
    const found = await this.policyHash();
    if (hashes.includes(found)) return this;
    const what = `the policy of \`${this.policy.name}\` has the hash ${found}, which this app does not pin`;
    throw new QuotapassError("policy_not_pinned", `${what}; do not post under it. Ask another relay`);
  }

  /**
   * Returns this room if another relay, of another operator, states the same policy for it. Fails with the code
   * `policy_differs`; if the policy is just being changed, ask again later.
   */
  confirmedBy(other: Room): this {
    const text = (room: Room): string => JSON.stringify([roomArgument(room), room.policy.version ?? 1, room.policy.from ?? 0]);
    if (text(this) === text(other)) return this;
    const what = `relays state different policies of \`${this.policy.name}\``;
    throw new QuotapassError("policy_differs", `${what}; do not post until you know why`);
  }
}

/** Formats a time as RFC 3339 in whole seconds. */
function moment(unixSeconds: number): string {
  const time = new Date(unixSeconds * 1000);
  if (!Number.isSafeInteger(unixSeconds) || Number.isNaN(time.getTime())) {
    throw new QuotapassError("invalid_argument", `the policy holds from ${unixSeconds}, which is not a Unix second`);
  }
  return time.toISOString().replace(/\.\d+Z$/, "Z");
}

/** The name and the scope under which a relay lists a policy. */
interface ListedScope {
  readonly name: string;
  readonly scope: string;
}

/** The moderation of a scope as a relay states it. What it leaves out has the defaults of the protocol. */
interface StatedModeration {
  readonly lists?: readonly { readonly log: string; readonly limit?: number }[];
  readonly list_window?: number;
  readonly report_days?: number;
  readonly hide_at?: number | null;
  readonly report_recipients?: readonly string[];
}

/** The parts of a relay's answer to `/v1/policy` that concern a room. */
type StatedScope = Omit<RoomArgument["policy"], "moderation"> & {
  readonly scope: string;
  readonly version?: number;
  readonly from?: number;
  readonly moderation?: StatedModeration | null;
};

interface PolicyDocument {
  registry?: { chain_id: number; address: string };
  scopes?: StatedScope[];
}

/** The scope with this name, or the pattern with the longest beginning that the name has. */
function listedFor(scopes: readonly StatedScope[], name: string): StatedScope | undefined {
  const exact = scopes.find((scope) => scope?.name === name);
  if (exact !== undefined) return exact;
  const isPattern = ({ name: pattern }: StatedScope): boolean =>
    typeof pattern === "string" && pattern.endsWith("/*") && name.length >= pattern.length && name.startsWith(pattern.slice(0, -1));
  const patterns = scopes.filter((scope) => scope != null && isPattern(scope));
  return patterns.sort((one, other) => other.name.length - one.name.length)[0];
}

function readModeration(stated: StatedModeration): ModerationPolicy {
  return {
    lists: (stated.lists ?? []).map(({ log, limit = 1_024 }) => ({ log, limit })),
    listWindow: stated.list_window ?? 1_800,
    reportDays: stated.report_days ?? 30,
    ...(stated.hide_at == null ? {} : { hideAt: stated.hide_at }),
    reportRecipients: [...(stated.report_recipients ?? [])],
  };
}

/** @internal The moderation of a policy in the form of the protocol, its members in their canonical order. */
function moderationArgument({ lists, listWindow, reportDays, hideAt, reportRecipients }: ModerationPolicy) {
  return {
    ...(hideAt === undefined ? {} : { hide_at: hideAt }),
    list_window: listWindow,
    lists: lists.map(({ log, limit }) => ({ limit, log })),
    report_days: reportDays,
    report_recipients: reportRecipients,
  };
}

/** @internal */
export function registryArgument({ chainId, address }: Registry): RoomArgument["registry"] {
  return { chain_id: String(chainId), address: String(address) };
}

/** @internal */
export function logArgument({ origin, rootKey, servers, witnesses, required = 1 }: LogSettings): LogArgument {
  return {
    origin,
    root_key: rootKey,
    servers: servers.map(String),
    witnesses: [...witnesses],
    cosignatures: required,
  };
}

/** @internal Whether both are the same contract on the same chain. */
export function isSameRegistry(one: Registry, other: Registry): boolean {
  const [first, second] = [registryArgument(one), registryArgument(other)];
  return first.chain_id === second.chain_id && first.address.toLowerCase() === second.address.toLowerCase();
}

/** @internal */
export function roomArgument({ registry, policy, listed }: Room): RoomArgument {
  const { stakeLevels, moderation } = policy;
  return {
    name: policy.name,
    registry: registryArgument(registry),
    policy: {
      ...(stakeLevels === undefined ? {} : { stake_levels: stakeLevels }),
      ...(moderation === undefined ? {} : { moderation: moderationArgument(moderation) }),
      name: listed?.name ?? policy.name,
      epoch_seconds: policy.epochSeconds,
      limit_cap: policy.limitCap,
      min_stake: policy.minStake,
      min_age_days: policy.minAgeDays,
      root_window: policy.rootWindow,
      max_clock_skew: policy.maxClockSkew,
    },
    scope: listed?.scope ?? null,
  };
}
