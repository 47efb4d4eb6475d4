/** The member's part in moderation: the lists of struck posts, reports, deletions and appeals. */

import {
  type Account,
  type Client,
  Lists,
  type LogSettings,
  type Membership,
  type PostEntry,
  type Prover,
  type Reason,
  type Room,
  type Strike,
} from "../../js/index.js";

import { type Kept, write } from "./kept.js";
import { ask } from "./server.js";
import { element, hide, show } from "./view.js";
import { short, whyStruck } from "./words.js";

/** The log's keys: the part of the app, which a relay never tells. */
type Log = Pick<LogSettings, "origin" | "rootKey" | "witnesses">;

interface Answer {
  readonly result: "accepted" | "repeated";
}

interface AppealAnswer {
  readonly state: "open" | "refused" | "granted";
  readonly text?: string;
}

/** Sends a deletion or an appeal. */
async function sendAsAuthor(request: unknown): Promise<void> {
  await ask("/v1/author", request);
}

export class Moderation {
  readonly lists: Lists;
  readonly #prover: Prover;
  readonly #room: Room;
  readonly #account: Account;
  readonly #kept: Kept;
  #strike: Strike | undefined;

  private constructor(lists: Lists, prover: Prover, room: Room, account: Account, kept: Kept) {
    this.lists = lists;
    this.#prover = prover;
    this.#room = room;
    this.#account = account;
    this.#kept = kept;
  }

  static async open(client: Client, prover: Prover, room: Room, account: Account, kept: Kept): Promise<Moderation> {
    const log = (await ask("/demo/log")) as Log;
    const lists = await Lists.open(client, room, [{ ...log, servers: [location.origin] }]);
    return new Moderation(lists, prover, room, account, kept);
  }

  /** Whether a post of this member was struck. */
  get isStruck(): boolean {
    return this.#strike !== undefined;
  }

  /** Reads the newest lists, and tests them against the member's own secret. Others cannot find out whose post was struck. */
  async look(): Promise<void> {
    await this.lists.sync();
    this.show(await this.lists.strikes(this.#account));
    await this.#showAppeal();
  }

  /** Shows the strikes of the member's posts before a message is written. */
  show([strike]: readonly Strike[]): void {
    this.#strike = strike;
    hide("struck", strike === undefined);
    if (strike === undefined) return;
    const message = document.querySelector(`#lines > [data-nullifier$="${strike.entry.nullifier.replace(/^0x/, "")}"] .message`)?.textContent;
    const post = message ? `Your post “${message}” was struck.` : `Your post ${short(strike.entry.nullifier)} was struck.`;
    show("struck-post", post);
    show("struck-why", whyStruck(strike));
    show("struck-text", strike.details?.text ?? "");
    hide("struck-text", !strike.details?.text);
    this.#showForm();
  }

  #showForm(): void {
    const isSent = this.#kept.appealed !== undefined && this.#kept.appealed === this.#strike?.details?.id;
    hide("appeal", isSent || !this.#strike?.details);
    hide("appeal-state", !isSent);
  }

  /** Shows what became of an appeal. */
  async #showAppeal(): Promise<void> {
    const { details, log } = this.#strike ?? {};
    if (!details || details.id !== this.#kept.appealed) return;
    const { state, text } = (await ask(`/v1/moderation/${log}/appeals/${details.id}`)) as AppealAnswer;
    const said = {
      open: "Your appeal waits for a moderator.",
      refused: `Your appeal was refused: ${text ?? "without a reason"}`,
      granted: "Your appeal was granted. You can write again in a few seconds.",
    };
    show("appeal-state", said[state]);
  }

  /** Appeals against the strike: a proof says that the author appeals, and not who that is. */
  async appeal(): Promise<void> {
    const field = element<HTMLTextAreaElement>("appeal-text");
    const { details } = this.#strike ?? {};
    if (this.#strike === undefined || !details || field.value.trim() === "") return;
    await sendAsAuthor(await this.#prover.appeal(this.#account, this.#room, this.#strike, field.value.trim()));
    field.value = "";
    this.#kept.appealed = details.id;
    write(this.#kept);
    this.#showForm();
    await this.#showAppeal();
  }

  /** Deletes a message of the member. */
  async remove(entry: PostEntry): Promise<void> {
    await sendAsAuthor(await this.#prover.deletion(this.#account, this.#room, entry));
  }

  /** Reports a message. Returns what the relay says of it. */
  async report(membership: Membership, nullifier: string, reason: Reason): Promise<string> {
    const { lists } = this;
    const report = await this.#prover.report(this.#account, membership, this.#room, nullifier, { reason }, { lists });
    const { result } = (await ask("/v1/report", report)) as Answer;
    return result === "accepted"
      ? "Reported. The relay knows that a member reported it, and not which one."
      : "You reported this message before; a second report does not count.";
  }
}
