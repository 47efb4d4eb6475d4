// The parts of a page. All text from the relay and from people is set as text, never as markup.

export const byId = (id) => document.getElementById(id);

const number = new Intl.NumberFormat();
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const dayAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

export const count = (value) => number.format(value);
/** A number and a noun. */
export const counted = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;
export const short = (digits) => (digits.length > 20 ? `${digits.slice(0, 8)}…${digits.slice(-6)}` : digits);

/** An element with attributes, event handlers (`onclick`) and children. Children that are null are left out. */
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") node[key] = value;
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

export const button = (label, onclick, attributes = {}) => element("button", { type: "button", ...attributes, onclick }, label);

/** A moment as people read it. */
export function timeElement(text, withTime = true) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return element("span", {}, text);
  return element("time", { datetime: text, title: text }, (withTime ? dayAndTime : day).format(at));
}

export function setText(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

/** Shows an error, which a screen reader says at once, or removes it. */
export function showProblem(error) {
  const problem = byId("problem");
  problem.textContent = error ? sentence(error.message) : "";
  problem.hidden = !error;
  if (error) problem.scrollIntoView({ block: "nearest" });
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

/** Says what was done. */
export const say = (text) => setText("message", text);

/** A handler that waits for `act`, shows its error, and ignores clicks in the meantime. */
export function guarded(act) {
  let isBusy = false;
  return async (event) => {
    event?.preventDefault?.();
    if (isBusy) return;
    isBusy = true;
    try {
      await act(event);
      showProblem(null);
    } catch (error) {
      showProblem(error);
    } finally {
      isBusy = false;
    }
  };
}

/** Text and pictures that are blurred, and hidden from screen readers, until somebody asks for them. */
export function veiled(content, what) {
  const veil = element("div", { class: "veiled", "aria-hidden": "true" }, content);
  const toggle = button(`Show ${what}`, () => {
    const isShown = veil.classList.toggle("shown");
    veil.setAttribute("aria-hidden", String(!isShown));
    toggle.setAttribute("aria-expanded", String(isShown));
    toggle.textContent = `${isShown ? "Hide" : "Show"} ${what}`;
  }, { "aria-expanded": "false" });
  return element("div", { class: "veil" }, toggle, veil);
}

/** Offers bytes or text as a file. */
export function download(name, content, type = "application/octet-stream") {
  const address = URL.createObjectURL(new Blob([content], { type }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** A list of terms and their descriptions; those without a description are left out. */
export function facts(...rows) {
  const shown = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return element("dl", { class: "facts" }, ...shown.map(([term, value]) =>
    element("div", {}, element("dt", {}, term), element("dd", {}, ...(Array.isArray(value) ? value : [value])))));
}

/** The options of a `select`. */
export function fill(select, choices, chosen) {
  select.replaceChildren(...Object.entries(choices).map(([value, label]) =>
    element("option", { value, selected: value === chosen }, label)));
}

/** Reads a value that this browser remembers; null without storage. */
export function remembered(name) {
  try {
    return localStorage.getItem(`quotapass-moderation.${name}`);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(`quotapass-moderation.${name}`, value);
  } catch {
    // Private windows have no storage; the value is typed again next time.
  }
}
