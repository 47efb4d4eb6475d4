/** The messages of the room, and what moderation made of them. All text from others is set as text, never as markup. */

import type { Line, Moderated, Refused } from "./server.js";
import { append, button, create, element, hide, show, time } from "./view.js";
import { marked, said } from "./words.js";

/** Number of messages that the page shows; older ones are removed. */
const LINES = 200;

/** Length of a message in the name of its button. */
const NAMED = 60;

/** What a reader can do with a message. */
export interface Actions {
  readonly isMine: (line: Line) => boolean;
  readonly report: (line: Line) => void;
  readonly remove: (line: Line) => void;
}

/** Fills a table with everything that the relay saw of a message. */
function tell(table: HTMLTableElement, seen: NonNullable<Line["seen"]>): void {
  table.replaceChildren();
  for (const [name, value] of Object.entries(seen)) {
    const row = table.insertRow();
    const head = create("th", name.replaceAll("_", " ")) as HTMLTableCellElement;
    head.scope = "row";
    row.append(head);
    row.insertCell().textContent = String(value);
  }
}

/** What the relay saw of a message, folded. */
function details(): { folded: HTMLDetailsElement; table: HTMLTableElement } {
  const [folded, table] = [document.createElement("details"), document.createElement("table")];
  const note = "No name, no wallet, no member. Each message has another nullifier, unless a number is used twice.";
  folded.append(create("summary", "What the relay saw"), table, create("p", note, "quiet"));
  return { folded, table };
}

/** The parts of a message that moderation changes. */
interface Shown {
  readonly item: HTMLElement;
  readonly message: HTMLElement;
  readonly mark: HTMLElement;
  readonly act: HTMLButtonElement;
  readonly isMine: boolean;
}

const shown = new Map<number, Shown>();

/** Shows an accepted message, with a button to report it, or to delete one's own. */
export function line(said: Line, { isMine: isOwn, report, remove }: Actions): void {
  const { number, at, message, seen } = said;
  // After a lost connection the server may repeat a message.
  if (number === undefined || shown.has(number)) return;
  const isMine = isOwn(said);
  const item = create("li", "", isMine ? "mine" : "");
  item.dataset["nullifier"] = String(seen?.["nullifier"]);
  const about = create("span", "", "about");
  if (isMine) about.append(create("b", "You"), " ");
  about.append(time(at));
  const row = create("div", "", "said");
  const text = create("span", message, "message");
  row.append(text, about);
  const mark = create("p", "", "mark");
  mark.hidden = true;
  const what = message === "" ? `message ${number}` : message.slice(0, NAMED);
  const act = isMine ? button("Delete", what, () => remove(said)) : button("Report", what, () => report(said));
  const tools = create("div", "", "tools");
  item.append(row, mark, tools);
  if (seen !== undefined) {
    const { folded, table } = details();
    tell(table, seen);
    tools.append(folded);
  }
  tools.append(act);
  shown.set(number, { item, message: text, mark, act, isMine });
  hide("nothing");
  append(element("log"), element("lines"), item, LINES);
  for (const [known, { item }] of shown) if (!item.isConnected) shown.delete(known);
}

/** Shows what moderation made of a message: a text that readers should not see is taken away. */
export function moderated({ number, state, is_struck, message }: Moderated): void {
  const known = shown.get(number);
  if (known === undefined) return;
  known.message.textContent = message ?? "";
  const text = marked(state, is_struck);
  known.mark.textContent = text;
  known.mark.hidden = text === "";
  known.item.classList.toggle("withheld", state !== "visible");
  // A held post needs no more reports, and a deleted one cannot be deleted again.
  known.act.hidden = known.isMine ? state === "deleted" : state !== "visible";
}

/** Shows that this member has reported a message: a second report would not count. */
export function reported(number: number): void {
  const act = shown.get(number)?.act;
  if (act === undefined) return;
  act.textContent = "Reported";
  act.setAttribute("aria-label", (act.getAttribute("aria-label") ?? "").replace(/^Report/, "Reported"));
  act.disabled = true;
}

const refusals = new Map<string, { head: HTMLElement; row: HTMLElement; folded: HTMLElement; table: HTMLTableElement }>();

/** Shows the count of refused messages, and folded below it the latest message of each verdict. */
export function refused({ total, verdicts }: Refused): void {
  hide("refused", total === 0);
  show("refused-count", total === 1 ? "1 message was refused" : `${total} messages were refused`);
  for (const [verdict, { count, latest }] of Object.entries(verdicts)) {
    let known = refusals.get(verdict);
    if (known === undefined) {
      const item = create("li");
      known = { head: create("p", "", "verdict"), row: create("p", "", "said"), ...details() };
      item.append(known.head, known.row, known.folded);
      element("refusals").append(item);
      refusals.set(verdict, known);
    }
    known.head.textContent = count === 1 ? said(verdict) : `${said(verdict)}, ${count} times`;
    known.row.replaceChildren(create("span", latest.message, "message"), time(latest.at));
    known.folded.hidden = latest.seen === undefined;
    tell(known.table, latest.seen ?? {});
  }
}
