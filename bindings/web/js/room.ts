import type { RoomArgument } from "./calls.js";
import { QuotapassError } from "./errors.js";
import type { Policy, Registry } from "./types.js";

/** A room: a scope at a registry, and what its policy asks for. The values are checked when they are used. */
export class Room {
  readonly registry: Registry;
  readonly policy: Policy;
  /** @internal The scope that a relay states; with another than that of registry and name nothing works. */
  readonly stated: string | null;

  constructor(registry: Registry, policy: Policy);
  /** @internal */
  constructor(registry: Registry, policy: Policy, stated: string);
  constructor(registry: Registry, policy: Policy, stated: string | null = null) {
    this.registry = { ...registry };
    this.policy = { ...policy };
    this.stated = stated;
  }

  /**
   * The room of this name among those in what a relay answers at `/v1/policy`, parsed or as text. Registry and policy are
   * then as the relay says; an account of another registry is refused later, and so is a room whose scope is not the one
   * that the relay states.
   */
  static fromPolicy(document: unknown, name: string): Room {
    const refuse = (what: string): never => {
      throw new QuotapassError("invalid_argument", `this is not what a relay answers at /v1/policy: ${what}`);
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
    const scope = Array.isArray(scopes) ? scopes.find((scope) => scope?.name === name) : refuse("it lists no scopes");
    if (scope === undefined) throw new QuotapassError("invalid_argument", `the relay carries no scope \`${name}\``);
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
      },
      scope.scope,
    );
  }

  /**
   * SHA-256 of the policy's canonical JSON (RFC 8785), as 64 hexadecimal digits: what relays publish as `policy_hash`. It is
   * computed of the values that posts will state, and not taken from the relay. Of rooms from `fromPolicy` alone.
   */
  async policyHash(): Promise<string> {
    const { policy, stated } = this;
    if (stated === null) throw new QuotapassError("invalid_argument", "only rooms from a relay's policy have a hash: use Room.fromPolicy");
    // The members stand in their canonical order, and JSON.stringify writes them as RFC 8785 does.
    const canonical = JSON.stringify({
      epoch_seconds: policy.epochSeconds,
      from: moment(policy.from ?? 0),
      limit_cap: policy.limitCap,
      max_clock_skew: policy.maxClockSkew,
      min_age_days: policy.minAgeDays,
      min_stake: policy.minStake,
      name: policy.name,
      root_window: policy.rootWindow,
      scope: stated.replace(/^0x/, ""),
      version: policy.version ?? 1,
    });
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(canonical));
    return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /**
   * This room, if its policy is one of those that the app pins by their hashes: that of today, and those that are to come.
   * A relay that serves one member a policy of its own knows this member's posts by the values that they state. Fails with
   * the code `policy_not_pinned`.
   */
  async pinned(...hashes: readonly string[]): Promise<this> {
    const found = await this.policyHash();
    if (hashes.includes(found)) return this;
    const what = `the policy of \`${this.policy.name}\` has the hash ${found}, which is not one that this app pins`;
    throw new QuotapassError("policy_not_pinned", `${what}; do not post under it. Ask another relay`);
  }

  /**
   * This room, if another relay states the same policy for it: ask one of another operator. Fails with the code
   * `policy_differs`; around the time of a change, ask again.
   */
  confirmedBy(other: Room): this {
    const text = (room: Room): string => JSON.stringify([roomArgument(room), room.policy.version ?? 1, room.policy.from ?? 0]);
    if (text(this) === text(other)) return this;
    const what = `relays state different policies of \`${this.policy.name}\``;
    throw new QuotapassError("policy_differs", `${what}; do not post under either before you know why`);
  }
}

/** RFC 3339 in whole seconds. */
function moment(unixSeconds: number): string {
  const time = new Date(unixSeconds * 1000);
  if (!Number.isSafeInteger(unixSeconds) || Number.isNaN(time.getTime())) {
    throw new QuotapassError("invalid_argument", `the policy holds from ${unixSeconds}, which is no Unix second`);
  }
  return time.toISOString().replace(/\.\d+Z$/, "Z");
}

/** What a relay answers at `/v1/policy`, as far as it concerns a room. */
interface PolicyDocument {
  registry?: { chain_id: number; address: string };
  scopes?: (RoomArgument["policy"] & { scope: string; version?: number; from?: number })[];
}

/** @internal */
export function registryArgument({ chainId, address }: Registry): RoomArgument["registry"] {
  return { chain_id: String(chainId), address: String(address) };
}

/** @internal */
export function roomArgument({ registry, policy, stated }: Room): RoomArgument {
  return {
    registry: registryArgument(registry),
    policy: {
      name: policy.name,
      epoch_seconds: policy.epochSeconds,
      limit_cap: policy.limitCap,
      min_stake: policy.minStake,
      min_age_days: policy.minAgeDays,
      root_window: policy.rootWindow,
      max_clock_skew: policy.maxClockSkew,
    },
    scope: stated,
  };
}
