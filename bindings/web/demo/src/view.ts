/** The parts of the page. All text from others is set as text, never as markup. */

import type { Line, Refused } from "./server.js";
import { clock, said } from "./words.js";

/** Numbers of lines and events that the page shows; older ones are removed. */
const LINES = 200;
const EVENTS = 50;

export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found as T;
}

function create(name: string, text = "", kind = ""): HTMLElement {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind !== "") made.className = kind;
  return made;
}

export function show(id: string, text: string): void {
  const at = element(id);
  // A screen reader announces every change, so the same text is not set again.
  if (at.textContent !== text) at.textContent = text;
}

export function hide(id: string, isHidden = true): void {
  element(id).hidden = isHidden;
}

export function enable(id: string, isEnabled = true): void {
  element<HTMLButtonElement | HTMLInputElement>(id).disabled = !isEnabled;
}

type Kind = "ready" | "unready" | "waiting";
let current: { text: string; kind: Kind } = { text: "Starting", kind: "waiting" };
const closed = new Set<string>();

/** Shows the state of the member. */
export function state(text: string, kind: Kind): void {
  current = { text, kind };
  showState();
}

/** Tells whether a stream of the server is open. While one is not, the page says so instead of the state. */
export function connected(stream: string, isOpen: boolean): void {
  if (isOpen) closed.delete(stream);
  else closed.add(stream);
  showState();
}

function showState(): void {
  const { text, kind } = closed.size === 0 ? current : { text: "No connection", kind: "waiting" };
  show("state", text);
  element("state").className = `state ${kind}`;
}

const problems = new Map<string, { count: number; text: HTMLElement }>();

/**
 * Shows an error until the reader dismisses it. The same error again only changes its count, so that a timer cannot fill
 * the page.
 */
export function problem(error: unknown): void {
  const what = error instanceof Error ? error.message : String(error);
  const known = problems.get(what);
  if (known !== undefined) {
    known.count += 1;
    known.text.textContent = `${what} (${known.count} times)`;
    return;
  }
  const [item, text, dismiss] = [create("div", "", "problem"), create("span", what), create("button", "Dismiss")];
  dismiss.setAttribute("type", "button");
  dismiss.addEventListener("click", () => {
    problems.delete(what);
    item.remove();
  });
  item.append(text, dismiss);
  element("problems").append(item);
  problems.set(what, { count: 1, text });
}

/** Runs the action of a button or a timer, and shows its error. */
export async function tried(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    problem(error);
  }
}

/** Appends to a list in a box that scrolls. The box follows the end only if the reader is there. */
function append(box: HTMLElement, list: HTMLElement, item: HTMLElement, most: number): void {
  const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  list.append(item);
  while (list.childElementCount > most) list.firstElementChild?.remove();
  if (isAtEnd) box.scrollTop = box.scrollHeight;
}

function time(unixSeconds: number): HTMLTimeElement {
  const made = document.createElement("time");
  const moment = new Date(unixSeconds * 1_000);
  made.dateTime = moment.toISOString();
  made.title = moment.toLocaleString();
  made.textContent = clock(unixSeconds);
  return made;
}

let lastTree: HTMLElement | undefined;

/** Shows an event of the relay. Of several changes of the tree in a row, only the last is shown. */
export function event(text: string, isTree = false): void {
  const item = create("li");
  item.append(time(Math.floor(Date.now() / 1_000)), ` ${text}`);
  if (isTree && lastTree !== undefined) {
    lastTree.replaceWith(item);
  } else {
    append(element("events-box"), element("events"), item, EVENTS);
  }
  lastTree = isTree ? item : undefined;
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

/** Shows an accepted message. */
export function line({ number, at, message, seen }: Line, isMine: boolean): void {
  // After a lost connection the server may repeat a message.
  const id = `line-${number}`;
  if (document.getElementById(id) !== null) return;
  const item = create("li", "", isMine ? "mine" : "");
  item.id = id;
  const about = create("span", "", "about");
  if (isMine) about.append(create("b", "You"), " ");
  about.append(time(at));
  const row = create("div", "", "said");
  row.append(create("span", message, "message"), about);
  item.append(row);
  if (seen !== undefined) {
    const { folded, table } = details();
    tell(table, seen);
    item.append(folded);
  }
  hide("nothing");
  append(element("log"), element("lines"), item, LINES);
}

const refusals = new Map<string, { head: HTMLElement; row: HTMLElement; folded: HTMLElement; table: HTMLTableElement }>();

/** Shows the count of refused messages, and folded below it the latest message of each verdict. */
export function refused({ total, verdicts }: Refused): void {
  hide("refused", total === 0);
  show("refused-count", total === 1 ? "1 message was refused" : `${total} messages were refused`);
  for (const [verdict, { count, latest }] of Object.entries(verdicts)) {
    let shown = refusals.get(verdict);
    if (shown === undefined) {
      const item = create("li");
      shown = { head: create("p", "", "verdict"), row: create("p", "", "said"), ...details() };
      item.append(shown.head, shown.row, shown.folded);
      element("refusals").append(item);
      refusals.set(verdict, shown);
    }
    shown.head.textContent = count === 1 ? said(verdict) : `${said(verdict)}, ${count} times`;
    shown.row.replaceChildren(create("span", latest.message, "message"), time(latest.at));
    shown.folded.hidden = latest.seen === undefined;
    tell(shown.table, latest.seen ?? {});
  }
}
