/** The demo's page: a chat room, whose members prove in the browser that they are within quota. */

import { beginAgain, ownEntry, read } from "./kept.js";
import { line, moderated, refused } from "./lines.js";
import { Demo } from "./member.js";
import { type Line, ask, listen } from "./server.js";
import { connected, element, event, problem, show, state, tried } from "./view.js";
import { short } from "./words.js";

/**
 * Interval at which the page looks for a new root and a new list of struck posts, and at which it shows the remaining quota.
 * Apps look once in an epoch.
 */
const SYNC_MS = 5_000;
const TICK_MS = 1_000;

let demo: Demo | undefined;

/** Shows the messages and the relay's events. It needs no member, and begins before the keys are loaded. */
function watch(): void {
  const kept = read();
  const actions = {
    isMine: (said: Line) => demo?.isMine(said) ?? ownEntry(kept, said.seen?.["nullifier"]) !== undefined,
    report: (said: Line) => void tried(async () => demo?.report(said)),
    remove: (said: Line) => void tried(async () => demo?.remove(said)),
  };
  listen("/demo/messages", {
    message: (data) => line(JSON.parse(data), actions),
    moderated: (data) => moderated(JSON.parse(data)),
    refused: (data) => refused(JSON.parse(data)),
  }, (isOpen) => connected("messages", isOpen));
  listen("/v1/events", {
    root_changed: (data) => {
      event(`The tree of members has changed: ${JSON.parse(data).members} deposits.`, true);
      void tried(async () => demo?.follow());
    },
    convicted: (data) => {
      const { commitment } = JSON.parse(data);
      event(`A member used a number twice. The two messages give away the secret of ${short(commitment)}.`);
      demo?.convicted(commitment);
    },
    slashed: (data) => {
      event(`The deposit of ${short(JSON.parse(data).commitment)} is slashed: half for the relay, half burnt.`);
    },
  }, (isOpen) => connected("events", isOpen));
}

function click(id: string, work: (demo: Demo) => Promise<void>): void {
  element(id).addEventListener("click", () => void tried(async () => demo === undefined ? undefined : work(demo)));
}

/** Begins before anything can fail, so that these buttons always work. */
function listenToButtons(): void {
  for (const button of document.querySelectorAll(".renew")) button.addEventListener("click", beginAgain);
  click("join", (demo) => demo.join());
  click("again", (demo) => demo.again());
  click("badge", (demo) => demo.badge());
  click("cheat", (demo) => demo.cheat());
  element("appeal").addEventListener("submit", (submitted) => {
    submitted.preventDefault();
    void tried(async () => demo?.appeal());
  });
  element("moderator").addEventListener("toggle", () => void tried(showModerator));
  element("copy-key").addEventListener("click", () => void tried(async () => {
    await navigator.clipboard.writeText(element("moderator-key").textContent ?? "");
    show("copied", "Copied.");
  }));
  element("form").addEventListener("submit", (submitted) => {
    submitted.preventDefault();
    void tried(async () => demo?.post());
  });
  // While the button is disabled, the Enter key submits nothing, and says nothing either.
  element("say").addEventListener("keydown", (pressed) => {
    if (pressed.key === "Enter" && element<HTMLButtonElement>("send").disabled) void tried(async () => demo?.post());
  });
}

/** Shows the moderator's key. Only a demo gives it to everybody. */
async function showModerator(): Promise<void> {
  if (!element<HTMLDetailsElement>("moderator").open) return;
  const { name, secret } = (await ask("/demo/moderator")) as { name: string; secret: string };
  show("moderator-name", name);
  show("moderator-key", secret);
}

async function main(): Promise<void> {
  listenToButtons();
  watch();
  try {
    demo = await Demo.open();
  } catch (error) {
    state("Not started", "unready");
    throw error;
  }
  setInterval(() => void tried(async () => demo?.follow()), SYNC_MS);
  setInterval(() => void demo?.tick().catch(() => undefined), TICK_MS);
  await demo.begin();
}

main().catch(problem);
