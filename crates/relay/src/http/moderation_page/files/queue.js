// The posts that wait for moderators.

import { button, byId, element, facts, guarded, say, setText, short, timeElement, veiled } from "./dom.js";
import { compareElement, reportsElement } from "./report.js";

const PAGE = 50;
const STATES = { visible: "Visible", held: "Held", hidden: "Hidden", deleted: "Deleted by its author" };
const GROUPS = ["appeals", "waiting", "decided"];

const groupOf = ({ appeal, state, reports }) => {
  if (appeal) return "appeals";
  return state === "held" || (state === "visible" && reports.length > 0) ? "waiting" : "decided";
};

/** The queue of a log. `room` has the log's requests, and what opens the dialogs. */
export class Queue {
  #room;
  #items = new Map();
  #cards = new Map();
  #next = null;
  /** The messages that are those of their posts, by nullifier. They stay in this page. */
  messages = new Map();

  constructor(room) {
    this.#room = room;
    byId("more").onclick = guarded(() => this.#load(this.#next));
  }

  /** Loads the queue again, as far as it was loaded. */
  async reload() {
    const wanted = Math.max(this.#items.size, 1);
    const before = this.#items;
    this.#items = new Map();
    this.#next = null;
    try {
      do await this.#fetch(this.#next);
      while (this.#next !== null && this.#items.size < wanted);
    } catch (error) {
      this.#items = before;
      throw error;
    }
    this.#draw();
  }

  async #load(after) {
    await this.#fetch(after);
    this.#draw();
  }

  async #fetch(after) {
    const answer = await this.#room.moderator.get(`queue?${after === null ? "" : `after=${encodeURIComponent(after)}&`}limit=${PAGE}`);
    for (const item of answer.items) this.#items.set(item.nullifier, item);
    this.#next = answer.next ?? null;
  }

  #draw() {
    const groups = Object.fromEntries(GROUPS.map((group) => [group, []]));
    const cards = new Map();
    for (const [nullifier, item] of this.#items) {
      // A card whose post is unchanged stays as it is: what a moderator opened or asked to see stays so.
      const version = JSON.stringify(item);
      const known = this.#cards.get(nullifier);
      const card = known?.version === version ? known : { version, node: this.#card(item) };
      cards.set(nullifier, card);
      groups[groupOf(item)].push(card.node);
    }
    this.#cards = cards;
    for (const group of GROUPS) {
      const list = byId(group);
      const isUnchanged = list.children.length === groups[group].length && groups[group].every((node, at) => list.children[at] === node);
      if (!isUnchanged) list.replaceChildren(...groups[group]);
      setText(`${group}-count`, String(groups[group].length));
      byId(`no-${group}`).hidden = groups[group].length > 0;
    }
    byId("more").hidden = this.#next === null;
  }

  #card(item) {
    const title = `post-${item.nullifier.slice(0, 16)}`;
    const found = (message) => this.messages.set(item.nullifier, message);
    const told = { class: "actions", role: "group", "aria-labelledby": title };
    return element("li", { "data-nullifier": item.nullifier }, element("article", { class: "card", "aria-labelledby": title },
      element("header", {}, element("h4", { id: title }, "Post ", element("code", {}, short(item.nullifier))),
        element("span", { class: `badge ${item.state}` }, STATES[item.state] ?? item.state)),
      facts(["Scope", item.scope], ["Accepted", timeElement(item.accepted_at)],
        ["Strike", item.strike ? element("code", { title: item.strike }, short(item.strike)) : null]),
      item.appeal ? element("div", { class: "appeal" }, element("p", {}, "Its author appealed ", timeElement(item.appeal.at)),
        veiled(element("p", { class: "message" }, item.appeal.text), "the appeal")) : null,
      item.reports.length ? reportsElement(item, this.#room.registry, found) : null,
      compareElement(item, this.#room.registry, found),
      element("div", told, ...this.#actions(item))));
  }

  #actions(item) {
    const { dialogs } = this.#room;
    const actions = [];
    const decide = (decision, done) => guarded(async () => {
      await this.#room.moderator.post("decisions", { nullifier: item.nullifier, decision });
      say(done);
      await this.reload();
    });
    if (item.appeal) {
      actions.push(button("Grant the appeal…", () => dialogs.lift(item.strike, "appeal")));
      actions.push(button("Refuse the appeal…", () => dialogs.answer(item)));
    } else if (item.strike) {
      actions.push(button("Lift the strike…", () => dialogs.lift(item.strike, "error")));
    }
    if (item.state !== "deleted") {
      if (item.state !== "visible" || item.reports.length) actions.push(button("Keep", decide("keep", "The post is kept, and its reports are closed.")));
      if (item.state !== "hidden") actions.push(button("Hide", decide("hide", "The post is hidden.")));
    }
    if (!item.strike) actions.push(button("Strike…", () => dialogs.strike(item, this.messages.get(item.nullifier) ?? null), { class: "danger" }));
    return actions;
  }
}
