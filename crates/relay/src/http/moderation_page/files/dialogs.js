// The forms in which moderators decide: two clicks, unless something has to be typed.

import { text as fromUtf8, hex } from "./bytes.js";
import { button, byId, fill, guarded, remember, remembered, say, setText } from "./dom.js";
import { BECAUSE, GROUNDS, lift, moment, REASONS, salt, strike, STRIKE_DAYS } from "./entry.js";
import { newLeaf } from "./leaf.js";
import { likelyReason } from "./report.js";

const DAY = 86_400_000;
const ENDS = { 7: "In 7 days", 30: "In 30 days", 180: "In 180 days", 365: "In a year", never: "Never" };

/** The statement of reasons that is offered; moderators change it. */
const template = (scope, reason) => `A post of yours in ${scope} was reported, and moderators have seen it. Reason: ${REASONS[reason].toLowerCase()}. You can appeal.`;

/** Why a message is not shown to the relay, unless a moderator says otherwise. */
const withheldBecause = (reason) => (reason === "csam" ? "it must not be copied" : "no report shows it");

/** The dialogs of a log. `room` submits leaves and answers. */
export class Dialogs {
  #room;
  #item = null;
  #message = null;
  #lifted = null;
  #template = "";

  constructor(room) {
    this.#room = room;
    fill(byId("strike-reason"), REASONS, "spam");
    fill(byId("strike-ground"), GROUNDS, "incompatible");
    fill(byId("strike-until"), ENDS, String(STRIKE_DAYS));
    fill(byId("lift-because"), { appeal: BECAUSE.appeal, error: BECAUSE.error }, "error");
    for (const dialog of document.querySelectorAll("dialog")) {
      dialog.querySelector(".cancel").onclick = () => dialog.close();
    }
    byId("strike-reason").onchange = () => this.#fitReason();
    byId("strike-form").onsubmit = inDialog("strike", () => this.#strike());
    byId("lift-form").onsubmit = inDialog("lift", () => this.#lift());
    byId("answer-form").onsubmit = inDialog("answer", () => this.#answer());
  }

  /** Asks for a strike of a post. `message` is the post's own, if a report shows it. */
  strike(item, message) {
    [this.#item, this.#message] = [item, message];
    byId("strike-reason").value = likelyReason(item);
    byId("strike-reference").value = remembered("reference") ?? "";
    byId("strike-text").value = "";
    byId("strike-program").checked = false;
    this.#template = "";
    this.#fitReason();
    open("strike", byId("strike-reference").value ? "strike-submit" : "strike-reference");
  }

  /** Asks to lift a strike. */
  lift(id, because) {
    this.#lifted = id;
    setText("lift-id", id);
    byId("lift-because").value = because;
    open("lift", "lift-submit");
  }

  /** Asks for the words that refuse an appeal. */
  answer(item) {
    this.#item = item;
    byId("answer-text").value = "";
    open("answer", "answer-text");
  }

  /** Follows the reason: the words that are offered, and whether the message is shown to the relay. */
  #fitReason() {
    const reason = byId("strike-reason").value;
    const words = byId("strike-text");
    if (words.value === this.#template) words.value = template(this.#item.scope, reason);
    this.#template = template(this.#item.scope, reason);
    const isShown = this.#message !== null && reason !== "csam";
    byId("strike-withheld-row").hidden = isShown;
    byId("strike-withheld").required = !isShown;
    byId("strike-withheld").value = withheldBecause(reason);
    setText("strike-message", isShown
      ? "The message of the post goes to the relay with the strike, which compares it with the post. The log does not show it."
      : "The relay does not see the message, and the strike says why.");
  }

  async #strike() {
    const now = Date.now();
    const ends = byId("strike-until").value;
    const words = byId("strike-text").value.trim();
    if (words === "") throw new Error("say what happened: the author reads this text");
    const salted = await salt(words);
    const choice = {
      reason: byId("strike-reason").value, ground: byId("strike-ground").value, reference: byId("strike-reference").value,
      until: ends === "never" ? ends : moment(now + Number(ends) * DAY), found_by_program: byId("strike-program").checked,
    };
    const leaf = newLeaf(strike(this.#item, this.#room.registry, choice, salted.sha256, now));
    await this.#room.submit(leaf, { text: salted.encoded, ...this.#shownMessage() });
    remember("reference", choice.reference.trim());
  }

  /** What the relay is told of the message. */
  #shownMessage() {
    if (!byId("strike-withheld-row").hidden) {
      const withheld = byId("strike-withheld").value.trim();
      if (withheld === "") throw new Error("say why the relay does not see the message");
      return { withheld };
    }
    try {
      return { message: fromUtf8(this.#message) };
    } catch {
      return { message_hex: hex(this.#message) };
    }
  }

  async #lift() {
    await this.#room.submit(newLeaf(lift(this.#lifted, byId("lift-because").value, Date.now())), {});
  }

  async #answer() {
    const text = byId("answer-text").value.trim();
    if (text === "") throw new Error("say why the appeal is refused: the author reads this text");
    await this.#room.moderator.post("answers", { strike: this.#item.strike, text });
    say("The appeal is refused, and its author can read why.");
    guarded(() => this.#room.reload())();
  }
}

function open(name, focused) {
  setText(`${name}-problem`, "");
  byId(`${name}-dialog`).showModal();
  byId(focused).focus();
}

/** A handler that closes its dialog when `act` succeeds, and shows the error in the dialog otherwise. */
function inDialog(name, act) {
  return guarded(async () => {
    setText(`${name}-problem`, "");
    try {
      await act();
      byId(`${name}-dialog`).close();
    } catch (error) {
      setText(`${name}-problem`, error.message);
    }
  });
}

/** A line with a button, for strikes in force. */
export const liftButton = (dialogs, strike) => button("Lift…", () => dialogs.lift(strike.id, "error"), { "aria-label": `Lift the strike ${strike.id}` });

