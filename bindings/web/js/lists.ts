import type { CallArguments, CallResult, ListsAnswer, LogAnswer, TestAnswer } from "./calls.js";
import { type Client, Handle, type Place, type Turn } from "./client.js";
import { QuotapassError } from "./errors.js";
import type { Account } from "./identity.js";
import { fetchWanted, relayLog } from "./log.js";
import { type Room, isSameRegistry, logArgument, roomArgument } from "./room.js";
import { now as clock } from "./time.js";
import type { CallOptions, ListState, ListsOptions, LogServer, LogSettings, Strike, TimedOptions } from "./types.js";

/** Makes one call, in a turn of its own or in one that is held. */
type Ask = <N extends "readLists" | "testLists">(name: N, ...args: Rest<CallArguments<N>>) => Promise<CallResult<N>>;
/** The arguments after the lists themselves. */
type Rest<T extends readonly unknown[]> = T extends readonly [unknown, ...infer R] ? R : never;

/** The result of a test. The message is there if there are strikes. */
interface Tested {
  readonly strikes: readonly Strike[];
  readonly message?: string;
}

/** What was read last, and the time that the caller gave then. */
interface Known {
  lists: readonly ListState[] | undefined;
  now: number | undefined;
}

/** The servers of one list. */
interface ListServers {
  readonly log: string;
  readonly servers: readonly LogServer[];
}

/**
 * The lists of struck posts that a room enforces, read from the logs of its operators.
 *
 * A list is used only if the log is signed by its root key, continues what was read of it before, and was cosigned by
 * enough of the witnesses in the settings: otherwise a server could show a list to one member alone, and recognise this
 * member by it. What was read of a log is stored before its list is used, in the storage of ledgers.
 *
 * Sync at fixed times, for example once per epoch, and not when there is a message to post.
 */
export class Lists extends Handle {
  /** The room whose lists these are. */
  readonly room: Room;
  readonly #servers: readonly ListServers[];
  readonly #known: Known;

  private constructor(
    client: Client,
    again: (turn: Turn) => Promise<number>,
    place: Place,
    room: Room,
    servers: readonly ListServers[],
    known: Known,
  ) {
    super(client, again, place);
    this.room = room;
    this.#servers = servers;
    this.#known = known;
  }

  /**
   * Opens the lists of a room with the settings of their logs. Fails with `log_not_named` if the settings lack one: a relay
   * could name a log of its own to find out who is on its list.
   */
  static open(client: Client, room: Room, logs: readonly LogSettings[], { connect = relayLog }: ListsOptions = {}): Promise<Lists> {
    const settings = logs.map(logArgument);
    // A list whose log the settings lack is refused by the module, which names it.
    const enforced = room.policy.moderation?.lists ?? [];
    const known: Known = { lists: undefined, now: undefined };
    return client.turn(undefined, async (turn) => {
      const id = await turn.call("openLists", roomArgument(room), settings);
      const identities: string[] = [];
      for (const log of settings) identities.push(await turn.call("logIdentity", log));
      const servers = enforced.map(({ log }) => {
        const { servers = [] } = settings[identities.indexOf(log)] ?? {};
        return { log, servers: servers.map(connect) };
      });
      const again = async (turn: Turn): Promise<number> => {
        const id = await turn.call("openLists", roomArgument(room), settings);
        // A module that was started anew has read nothing yet.
        if (known.lists !== undefined) {
          await read(servers, undefined, (name, ...args) => turn.call(name, ...([id, ...args] as never)), known.now ?? clock());
        }
        return id;
      };
      return new Lists(client, again, { generation: turn.generation, id }, room, servers, known);
    });
  }

  /**
   * Reads the newest version of each list. Fetches kilobytes, and not the logs' history. Servers that do not answer, or whose
   * answers are refused, are passed over.
   *
   * Fails with `log_refused` if no server shows what can be used. If the error has `checkpoints`, the log shows different
   * histories: do not post, and publish both.
   */
  async sync({ signal, now }: TimedOptions = {}): Promise<readonly ListState[]> {
    const lists = await read(this.#servers, signal, this.#ask(signal), now ?? clock());
    this.#known.lists = lists;
    this.#known.now = now;
    return lists;
  }

  /** The lists as they were read last; undefined before the first sync. */
  state(): readonly ListState[] | undefined {
    return this.#known.lists;
  }

  /**
   * Returns the strikes of an account's posts in these lists, with reason, end and way of appeal; none if it can post. Ask
   * before the user writes a message. Others cannot find out whose post a strike is about.
   *
   * Only for a struck account, this fetches what the logs say about the strikes, together with other entries, so that the
   * servers do not learn which strike it is.
   */
  async strikes(account: Account, { signal }: CallOptions = {}): Promise<readonly Strike[]> {
    return (await this.#test(account, signal)).strikes;
  }

  /** @internal Fails if these are the lists of another room: it may list other posts of the same log. */
  requireFor(room: Room): void {
    if (this.room.policy.name === room.policy.name && isSameRegistry(this.room.registry, room.registry)) return;
    throw new QuotapassError("invalid_argument", `these are the lists of \`${this.room.policy.name}\`, not of \`${room.policy.name}\``);
  }

  /** @internal Fails with `struck` if the account is. */
  async check(account: Account, { signal }: CallOptions = {}): Promise<void> {
    const { strikes, message = "you cannot post here: a list contains a post of yours" } = await this.#test(account, signal);
    if (strikes.length > 0) throw new QuotapassError("struck", message, { strikes });
  }

  #test(account: Account, signal: AbortSignal | undefined): Promise<Tested> {
    const ask = (answers: readonly LogAnswer[]): Promise<TestAnswer> =>
      this.client.turn(signal, async (turn) => turn.call("testLists", await turn.use(this), await turn.use(account), answers));
    return test(this.#servers, signal, ask);
  }

  #ask(signal: AbortSignal | undefined): Ask {
    return (name, ...args) => this.client.turn(signal, async (turn) => turn.call(name, ...([await turn.use(this), ...args] as never)));
  }
}

/** Reads the lists: fetches what is wanted, and goes to the next server of a list if one fails. */
async function read(servers: readonly ListServers[], signal: AbortSignal | undefined, ask: Ask, now: number): Promise<readonly ListState[]> {
  const asked = servers.map(() => 0);
  // What was fetched for an earlier attempt may be old.
  let [answers, restart]: [LogAnswer[], number[]] = [[], [...servers.keys()]];
  /** Goes to the next server of a list, or fails. */
  const pass = (list: number, error: unknown): void => {
    const next = (asked[list] ?? 0) + 1;
    if (next >= (servers[list]?.servers.length ?? 0)) throw error;
    asked[list] = next;
    restart.push(list);
  };
  for (;;) {
    const answer: ListsAnswer = await ask("readLists", answers, restart, now);
    [answers, restart] = [[], []];
    if ("lists" in answer) return answer.lists;
    if ("refused" in answer) {
      const { list, code, message } = answer.refused;
      pass(list, new QuotapassError(code, message));
      continue;
    }
    for (const [list, paths] of answer.wanted.entries()) {
      const { log, servers: some = [] } = servers[list] ?? {};
      const server = some[asked[list] ?? 0];
      if (paths.length === 0) continue;
      if (server === undefined || log === undefined) throw new QuotapassError("source_failed", `list ${list} has no server`);
      try {
        answers.push(...(await fetchWanted(server, log, list, paths, signal)));
      } catch (error) {
        if (signal?.aborted) throw error;
        pass(list, error);
      }
    }
  }
}

/** Tests the lists. What no server returns is left out of the explanation. */
async function test(
  servers: readonly ListServers[],
  signal: AbortSignal | undefined,
  ask: (answers: readonly LogAnswer[]) => Promise<TestAnswer>,
): Promise<Tested> {
  let answers: LogAnswer[] = [];
  for (;;) {
    const answer = await ask(answers);
    answers = [];
    if ("strikes" in answer) return answer;
    if ("refused" in answer) throw new QuotapassError(answer.refused.code, answer.refused.message);
    for (const [list, paths] of answer.wanted.entries()) {
      const { log, servers: some = [] } = servers[list] ?? {};
      if (paths.length > 0 && log !== undefined) answers.push(...(await firstOf(some, log, list, paths, signal)));
    }
  }
}

/** What the first server that answers returns; for each path the failure if none does. */
async function firstOf(
  servers: readonly LogServer[],
  log: string,
  list: number,
  paths: readonly string[],
  signal: AbortSignal | undefined,
): Promise<LogAnswer[]> {
  let failure = "there is no server";
  for (const server of servers) {
    try {
      return await fetchWanted(server, log, list, paths, signal);
    } catch (error) {
      if (signal?.aborted) throw error;
      failure = error instanceof Error ? error.message : String(error);
    }
  }
  return paths.map((path) => ({ list, path, bytes: null, failure }));
}

/** @internal Fails if a room has lists and none are given, or those of another room. */
export function requireLists(room: Room, lists: Lists | undefined): void {
  lists?.requireFor(room);
  if (lists === undefined && (room.policy.moderation?.lists ?? []).length > 0) {
    throw new QuotapassError("lists_missing", `\`${room.policy.name}\` has lists; open and sync them, and pass them as \`lists\``);
  }
}
