// The moderators' page: the key, the queue, the strikes in force, and entries that need more signatures.

import { byId, count, counted, element, guarded, say, setText, short, timeElement } from "./dom.js";
import { Dialogs, liftButton } from "./dialogs.js";
import { REASONS } from "./entry.js";
import { Handing } from "./handed.js";
import { checkHistory, policyOf, readHistory, readKeys, strikesOf } from "./history.js";
import { adopt, checkBrowser, create, forget, load, signerOf } from "./keys.js";
import { chooseLog, fetchLogs } from "./logs.js";
import { isSameKey } from "./note.js";
import { Queue } from "./queue.js";
import { asModerator, getJson, logReader, postJson } from "./relay.js";

/** How long the page waits for an event, in seconds. */
const WAIT = 20;
/** The least time between two requests, also if the relay does not wait. */
const PACE_MS = 1_000;
const RETRY_MS = 5_000;
const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

/** The log in use, and all that its parts share. */
const room = {
  log: null, key: null, signer: null, moderator: null, registry: null, moderators: [], threshold: 1,
  post: (value) => postJson(`v1/moderation/${room.log.log}/entries`, value),
  submit: (leaf, extras) => handing.submit(leaf, extras),
  reload: async () => {
    await Promise.all([queue.reload(), readLog()]);
  },
};
room.dialogs = new Dialogs(room);
const handing = new Handing(room);
let queue = null;
/** Counts the choices of a log or a key: what waits for a former one ends. */
let turn = 0;

/** Reads the log: who may decide, and the strikes in force. */
async function readLog() {
  const { log } = room;
  const history = await readHistory(logReader(log.log));
  await checkHistory(history, log);
  const policy = policyOf(history);
  if (policy === null) throw new Error("the log has no policy; its operator appends one with the root key");
  if (log !== room.log) return;
  room.moderators = await readKeys(policy.moderators);
  room.threshold = policy.threshold;
  setText("threshold", `A decision needs ${counted(policy.threshold, "signature")} of ${counted(policy.moderators.length, "moderator")}.`);
  const sign = policy.threshold > 1 ? "Sign" : "Sign and submit";
  for (const id of ["strike-submit", "lift-submit"]) setText(id, sign);
  drawStrikes(strikesOf(history).strikes.filter(({ lift }) => !lift));
}

function drawStrikes(strikes) {
  const cell = (label, ...content) => element("td", { "data-label": label }, ...content);
  byId("strikes").tBodies[0].replaceChildren(...strikes.map((strike) => element("tr", {},
    element("th", { scope: "row", "data-label": "Post" }, element("code", { title: strike.entry.nullifier }, short(strike.entry.nullifier))),
    cell("Scope", strike.scope), cell("Reason", REASONS[strike.reason] ?? strike.reason), cell("Struck", timeElement(strike.at, false)),
    cell("Until", strike.until === "never" ? "without end" : timeElement(strike.until, false)),
    cell("Lift", liftButton(room.dialogs, strike)))));
  setText("strikes-count", count(strikes.length));
  byId("no-strikes").hidden = strikes.length > 0;
  byId("strikes").hidden = strikes.length === 0;
}

/** Shows what is there with and without a key. */
async function useKey(key) {
  const mine = ++turn;
  room.key = key;
  byId("no-key").hidden = key !== null;
  byId("has-key").hidden = key === null;
  byId("work").hidden = true;
  if (key === null) return;
  setText("vkey", key.vkey);
  room.signer = signerOf(key);
  room.moderator = asModerator(room.log.log, room.signer);
  await readLog();
  if (mine !== turn) return;
  const isNamed = room.moderators.some((named) => isSameKey(named, key) && named.name === key.name);
  byId("not-named").hidden = isNamed;
  if (!isNamed) return;
  queue = new Queue(room);
  await queue.reload();
  if (mine !== turn) return;
  byId("work").hidden = false;
  follow(mine);
}

/** Loads the queue again when something happens. What happened before the page was opened is skipped. */
async function follow(mine) {
  let [next, isCurrent] = ["0", false];
  while (mine === turn) {
    try {
      const answer = await getJson(`v1/moderation/events?since=${next}&limit=1000&wait=${isCurrent ? WAIT : 0}`, (WAIT + 10) * 1000);
      if (mine !== turn) return;
      next = answer.next;
      const isNew = answer.events.length > 0;
      if (isNew && isCurrent) await queue.reload();
      if (isCurrent) await pause(PACE_MS);
      isCurrent ||= !isNew;
    } catch {
      await pause(RETRY_MS);
    }
  }
}

async function useLog(log) {
  room.log = log;
  setText("origin", log.origin);
  byId("handed").replaceChildren();
  byId("public-log").href = `moderation/log?log=${log.log}`;
  await useKey(await load(log.log));
}

byId("create").onsubmit = guarded(async () => {
  await useKey(await create(room.log.log, byId("create-name").value.trim()));
  say("The key is in this browser. Give the verifier key to the operator.");
});
byId("import").onsubmit = guarded(async () => {
  const secret = byId("import-secret");
  const text = secret.value;
  secret.value = "";
  await useKey(await adopt(room.log.log, byId("import-name").value.trim(), text));
  say("The key is in this browser.");
});
byId("copy").onclick = guarded(async () => {
  await navigator.clipboard.writeText(room.key.vkey);
  say("The verifier key is copied.");
});
byId("forget").onclick = () => byId("forget-dialog").showModal();
byId("forget-form").onsubmit = guarded(async () => {
  await forget(room.log.log);
  byId("forget-dialog").close();
  await useKey(null);
  say("The key is deleted from this browser.");
});
byId("reload").onclick = guarded(async () => {
  await room.reload();
  say("Loaded.");
});

await guarded(async () => {
  const own = (await fetchLogs()).filter((log) => log.own);
  byId("absent").hidden = own.length > 0;
  if (own.length === 0) return;
  await checkBrowser();
  const { registry } = await getJson("v1/policy");
  room.registry = { chain_id: String(registry.chain_id), address: registry.address.replace(/^0x/, "") };
  byId("content").hidden = false;
  await chooseLog(own, useLog);
})();
document.documentElement.dataset.ready = "";
