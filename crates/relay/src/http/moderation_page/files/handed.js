// Entries that need more signatures than one: a moderator signs, and hands the file to the next. The files are those of
// `quotapass moderate`.

import { button, byId, counted, download, element, facts, guarded, say, timeElement } from "./dom.js";
import { BECAUSE, GROUNDS, REASONS, unsalt } from "./entry.js";
import { canonicalJson } from "./json.js";
import { leafText, readLeaf, signers, signLeaf } from "./leaf.js";
import { isSameKey } from "./note.js";
import { isOfPass, signalHash } from "./post.js";
import { messageOf } from "./report.js";

/** What the relay is told with a strike: its statement of reasons, and one of the others. */
const SHOWN = ["message", "message_hex", "withheld"];
const MAX_FILE = 1 << 20;

/** The file of an entry. */
export function writeHanded({ origin, root_key: rootKey }, leaf, extras) {
  return `${JSON.stringify({ origin, root_key: rootKey, request: { leaf: leafText(leaf), ...extras } }, null, 2)}\n`;
}

/** The fields of a file, each a text. */
function readFields(source) {
  const refuse = () => new Error("this is not a file of an entry; open one that this page or `quotapass moderate` wrote");
  let file;
  try {
    file = JSON.parse(source);
  } catch {
    throw refuse();
  }
  const isText = (value) => typeof value === "string";
  const { origin, root_key: rootKey, request, ...rest } = file ?? {};
  const { leaf, ...extras } = request ?? {};
  const known = ["text", ...SHOWN];
  if (![origin, rootKey, leaf].every(isText) || Object.keys(rest).length > 0) throw refuse();
  if (!Object.entries(extras).every(([name, value]) => known.includes(name) && isText(value))) throw refuse();
  return { origin, rootKey, leaf, extras };
}

/**
 * Reads a file. **Attack:** a moderator lets a colleague sign a file that shows one message and lists another post. So
 * all that is about to be signed is checked: the log, the signatures on it, that pass and listed post are one, and that text
 * and message are those that the entry means.
 */
export async function readHanded(source, { log, moderators, registry }) {
  const { origin, rootKey, leaf: written, extras } = readFields(source);
  if (origin !== log.origin || rootKey !== log.root_key) throw new Error(`the entry is of another log, ${origin}; open it there`);
  const leaf = readLeaf(written);
  const { value } = leaf;
  const signed = leaf.lines.length === 0 ? [] : await signers(leaf, origin, moderators);
  const shown = SHOWN.filter((name) => name in extras);
  let words = null;
  if (value.kind === "strike") {
    if (canonicalJson(value.registry) !== canonicalJson(registry)) throw new Error("the strike is of another registry than that of this relay");
    if (!isOfPass(value)) throw new Error("the pass is not that of the listed post; do not sign it");
    words = await unsalt(extras.text ?? "", value.text);
    const message = messageOf(extras);
    if (shown.length !== 1) throw new Error("the file has neither the message nor the one reason why it is withheld");
    if (message !== null && signalHash(value, message) !== value.entry.x) throw new Error("the message in the file is not that of the listed post; do not sign it");
  } else if (value.kind !== "lift" || value.because === "expired") {
    throw new Error("this page signs strikes and lifts; sign other entries with `quotapass moderate sign`");
  } else if (Object.keys(extras).length > 0) {
    throw new Error("only a strike has a statement of reasons and a message");
  }
  return { leaf, extras, signed, words };
}

/** What an entry says, for moderators who are to sign it. */
function entryFacts({ leaf: { value }, extras, signed, words }) {
  if (value.kind === "lift") {
    return facts(["Says", "A strike is lifted"], ["Strike", value.strike], ["Because", BECAUSE[value.because] ?? value.because],
      ["Made", timeElement(value.at)], ["Signed by", signed.map(({ name }) => name).join(", ")]);
  }
  return facts(["Says", "A post is struck"], ["Post", value.entry.nullifier], ["Scope", value.scope],
    ["Reason", REASONS[value.reason] ?? value.reason], ["Ground", `${GROUNDS[value.ground.kind]}: ${value.ground.reference}`],
    ["Until", value.until === "never" ? "without end" : timeElement(value.until)], ["Text", words],
    ["Message", extras.withheld ? `not shown: ${extras.withheld}` : "that of the post"],
    ["Made", timeElement(value.at)], ["Signed by", signed.map(({ name }) => name).join(", ")]);
}

/** The name of the file of an entry. */
const fileName = ({ value }) => `${value.kind}-${value.id}.json`;

/** Signs and submits entries, or hands them on while signatures are missing. */
export class Handing {
  #room;

  constructor(room) {
    this.#room = room;
    byId("handed-file").onchange = guarded(() => this.#open());
  }

  /** Signs an entry. It is appended if the signatures suffice; otherwise the page offers it as a file. */
  async submit(leaf, extras, before = 0) {
    const { log, signer, threshold } = this.#room;
    const signed = await signLeaf(leaf, log.origin, signer);
    if (before + 1 >= threshold) return this.#append(signed, extras);
    const missing = threshold - before - 1;
    this.#offer(signed, extras);
    say(`Signed. ${counted(missing, "more signature is", "more signatures are")} needed: give the file to the next moderator.`);
  }

  async #append(leaf, extras) {
    const { index } = await this.#room.post({ leaf: leafText(leaf), ...extras });
    byId("handed").replaceChildren();
    say(`The ${leaf.value.kind} is entry ${index} of the log. It is in force with the next checkpoint.`);
    this.#shown();
  }

  /** Loads the queue again, beside the form: its error is not one of the entry, which is in the log. */
  #shown = guarded(() => this.#room.reload());

  #offer(leaf, extras) {
    const save = () => download(fileName(leaf), writeHanded(this.#room.log, leaf, extras), "application/json");
    byId("handed").replaceChildren(element("div", { class: "card" },
      element("p", {}, `The ${leaf.value.kind} ${leaf.value.id} has ${counted(leaf.lines.length, "signature")} of ${this.#room.threshold}.`),
      button("Download the file", save)));
    byId("handed").querySelector("button").focus();
  }

  async #open() {
    const field = byId("handed-file");
    const [file] = field.files;
    byId("handed").replaceChildren();
    if (!file) return;
    const { log, moderators, registry, threshold, signer } = this.#room;
    if (file.size > MAX_FILE) throw new Error("the file is too large to be that of an entry");
    const handed = await readHanded(await file.text(), { log, moderators, registry });
    field.value = "";
    const { leaf, extras, signed } = handed;
    const isSigned = signed.some((key) => isSameKey(key, signer));
    const label = signed.length + 1 >= threshold ? "Sign and submit" : "Sign";
    const act = isSigned
      ? signed.length >= threshold ? button("Submit", guarded(() => this.#append(leaf, extras))) : element("p", { class: "quiet" }, "You have signed it. Give the file to the next moderator.")
      : button(label, guarded(() => this.submit(leaf, extras, signed.length)));
    byId("handed").replaceChildren(element("div", { class: "card" }, entryFacts(handed), element("div", { class: "actions" }, act)));
  }
}
