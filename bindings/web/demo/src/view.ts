/** The parts of the page. All text from others is set as text, never as markup. */

import { clock } from "./words.js";

/** Number of events that the page shows; older ones are removed. */
const EVENTS = 50;

export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found as T;
}

export function create(name: string, text = "", kind = ""): HTMLElement {
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

/** Creates a button. Its name begins with its text, and says what it is about. */
export function button(text: string, about: string, work: () => void): HTMLButtonElement {
  const made = create("button", text, "small") as HTMLButtonElement;
  made.type = "button";
  made.setAttribute("aria-label", `${text}: ${about}`);
  made.addEventListener("click", work);
  return made;
}

/** Opens a dialog with a form. Returns the values of its fields, or nothing if it was cancelled. */
export async function asked(id: string): Promise<FormData | undefined> {
  const dialog = element<HTMLDialogElement>(id);
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  const form = dialog.querySelector("form");
  return dialog.returnValue === "yes" && form !== null ? new FormData(form) : undefined;
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
export function append(box: HTMLElement, list: HTMLElement, item: HTMLElement, most: number): void {
  const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  list.append(item);
  while (list.childElementCount > most) list.firstElementChild?.remove();
  if (isAtEnd) box.scrollTop = box.scrollHeight;
}

export function time(unixSeconds: number): HTMLTimeElement {
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
