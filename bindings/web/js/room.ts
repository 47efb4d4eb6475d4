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
      },
      scope.scope,
    );
  }
}

/** What a relay answers at `/v1/policy`, as far as it concerns a room. */
interface PolicyDocument {
  registry?: { chain_id: number; address: string };
  scopes?: (RoomArgument["policy"] & { scope: string })[];
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
