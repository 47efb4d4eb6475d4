// The reports of a post: what they say, and the message that they show.

import { fromBase64url, fromHex, text as fromUtf8, utf8 } from "./bytes.js";
import { button, download, element, facts, guarded, timeElement, veiled } from "./dom.js";
import { REASONS } from "./entry.js";
import { signalHash } from "./post.js";

/** What the encrypted bodies of reports begin with, in binary and in text. */
const AGE = ["age-encryption.org/", "-----BEGIN AGE ENCRYPTED FILE-----"];
/** Pictures that a browser shows, by their first bytes. SVG is not among them: it can have scripts. */
const PICTURES = { "image/png": "89504e47", "image/jpeg": "ffd8ff", "image/gif": "47494638", "image/webp": "52494646" };

/** Reads the body of a report in clear. */
export function readBody(bytes) {
  let body;
  try {
    body = JSON.parse(fromUtf8(bytes));
  } catch {
    throw new Error("this is not the body of a report; decrypt the file with the command above, and open what it writes");
  }
  if (typeof body?.reason !== "string") throw new Error("this is not the body of a report: it has no reason");
  return body;
}

const isEncrypted = (bytes) => AGE.some((head) => utf8(head).every((byte, place) => bytes[place] === byte));

/** The message of a body, in bytes, or null. */
export function messageOf({ message, message_hex: digits }) {
  if (typeof message === "string") return utf8(message);
  return typeof digits === "string" ? fromHex(digits) : null;
}

/** The bytes of a message as people see them, blurred: a picture, text, or a file to take along. */
function messageElement(bytes) {
  const digits = Array.from(bytes.slice(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const picture = Object.keys(PICTURES).find((type) => digits.startsWith(PICTURES[type]));
  if (picture) {
    const address = URL.createObjectURL(new Blob([bytes], { type: picture }));
    return veiled(element("img", { src: address, alt: "The picture of the post" }), "the picture");
  }
  try {
    return veiled(element("p", { class: "message" }, fromUtf8(bytes)), "the message");
  } catch {
    return button("Download the message", () => download("message.bin", bytes));
  }
}

/**
 * Whether a message is that of a post. Anybody can report a post with words that its author never wrote, and x of the post
 * shows it. `found` is told a message that is that of the post.
 */
function verdictElement(message, item, registry, found) {
  if (signalHash({ ...item, registry }, message) !== item.x) {
    return element("p", { class: "bad" }, "This is not the message of the post. Do not strike because of it.");
  }
  found(message);
  return element("p", { class: "good" }, "The message is that of the post.");
}

/** What a body says. */
function bodyElement(body, item, registry, found) {
  const parts = [facts(["Reason", REASONS[body.reason] ?? body.reason])];
  if (typeof body.comment === "string" && body.comment !== "") {
    parts.push(veiled(element("p", { class: "message" }, body.comment), "the comment"));
  }
  const message = messageOf(body);
  if (message === null) {
    parts.push(element("p", { class: "quiet" }, "The report shows no message."));
  } else {
    parts.push(verdictElement(message, item, registry, found), messageElement(message));
  }
  return element("div", {}, ...parts);
}

/** An encrypted body: a file to decrypt elsewhere, and the field that takes the result. */
function encryptedElement(bytes, name, show) {
  const place = element("div");
  const field = element("input", { type: "file", accept: ".json,application/json" });
  field.onchange = guarded(async () => {
    const [file] = field.files;
    if (file) place.replaceChildren(show(readBody(new Uint8Array(await file.arrayBuffer()))));
  });
  return element("div", {},
    element("p", {}, "The report is encrypted to the room's recipients. Download it, and decrypt it where the key is:"),
    element("pre", { tabindex: "0" }, element("code", {}, `age --decrypt --identity key.txt --output ${name}.json ${name}.age`)),
    button("Download the report", () => download(`${name}.age`, bytes)),
    element("label", { class: "file" }, "Open the decrypted file (it stays in this browser)", field), place);
}

/** One report. */
function reportElement(report, index, item, registry, found) {
  const bytes = fromBase64url(report.body);
  const show = (body) => bodyElement(body, item, registry, found);
  let content;
  try {
    const name = `report-${item.nullifier.slice(0, 12)}-${index + 1}`;
    content = isEncrypted(bytes) ? encryptedElement(bytes, name, show) : show(readBody(bytes));
  } catch {
    content = element("p", { class: "quiet" }, "The body of this report cannot be read.");
  }
  return element("li", {}, element("p", { class: "quiet" }, "Reported ", timeElement(report.at)), content);
}

/** The reports of a post, hidden until somebody opens them. They are built at that moment. */
export function reportsElement(item, registry, found) {
  const list = element("ol", { class: "reports" });
  const reasons = new Map();
  for (const { reason } of item.reports) if (reason) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  const told = [...reasons].map(([reason, times]) => `${REASONS[reason] ?? reason} ${times}`).join(", ");
  const title = `${item.reports.length === 1 ? "1 report" : `${item.reports.length} reports`}${told ? `: ${told}` : ""}`;
  const details = element("details", {}, element("summary", {}, title), list);
  details.addEventListener("toggle", () => {
    list.replaceChildren(...item.reports.map((report, index) => reportElement(report, index, item, registry, found)));
  }, { once: true });
  return details;
}

/** A field for a message that a moderator knows from elsewhere, such as the room itself. */
export function compareElement(item, registry, found) {
  const field = element("textarea", { rows: "3", maxlength: "65536" });
  const place = element("div", { role: "status" });
  const compare = button("Compare", () => {
    place.replaceChildren(verdictElement(utf8(field.value), item, registry, found));
  });
  return element("details", {}, element("summary", {}, "Compare a message with the post"),
    element("label", {}, "Message, letter by letter as it was sent", field), compare, place);
}

/** The reason that most reports state. */
export function likelyReason({ reports }) {
  const counts = new Map();
  for (const { reason } of reports) if (reason) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts].sort((one, other) => other[1] - one[1])[0]?.[0] ?? "spam";
}
