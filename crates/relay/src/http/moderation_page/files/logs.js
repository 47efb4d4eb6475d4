// The logs that a relay serves, and the choice among them.

import { areEqual, fromHex, hasCrypto } from "./bytes.js";
import { byId, element, guarded } from "./dom.js";
import { readVkey } from "./note.js";
import { getJson } from "./relay.js";
import { logId } from "./tiles.js";

/** Fetches the logs of the relay, its own first. An entry whose identity is not that of its origin and key is an error. */
export async function fetchLogs() {
  const { logs } = await getJson("v1/moderation").catch((error) => {
    // A relay without moderation has no such route.
    if (error.status === 404) return { logs: [] };
    throw error;
  });
  for (const { log, origin, root_key: key } of hasCrypto() ? logs : []) {
    if (!areEqual(await logId(origin, (await readVkey(key)).publicKey), fromHex(log))) {
      throw new Error(`the relay's name of the log ${origin} does not match its key; tell its operator`);
    }
  }
  return logs.toSorted((one, other) => Number(other.own) - Number(one.own));
}

/** Shows the choice of a log if there are several. Calls `use` with the chosen one now and after each change. */
export async function chooseLog(logs, use) {
  const select = byId("log");
  select.replaceChildren(...logs.map(({ log, origin, own }) => element("option", { value: log }, own ? `${origin} (of this relay)` : origin)));
  byId("log-choice").hidden = logs.length < 2;
  const asked = new URLSearchParams(location.search).get("log");
  if (logs.some(({ log }) => log === asked)) select.value = asked;
  const change = () => use(logs.find(({ log }) => log === select.value));
  select.onchange = guarded(change);
  await change();
}
