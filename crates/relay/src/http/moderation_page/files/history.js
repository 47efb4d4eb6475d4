// What the entries of a moderation log say: strikes, what lifted them, and who may decide.

import { hasCrypto } from "./bytes.js";
import { canonicalJson } from "./json.js";
import { readLeaf, signers } from "./leaf.js";
import { hasEd25519, readVkey } from "./note.js";
import { bundlePath, checkRoot, isSigned, readBundle, readCheckpoint, WIDTH } from "./tiles.js";

/** The number of bundles that are fetched at once. */
const AT_ONCE = 4;

/**
 * Fetches the entries of a log, newest first. `fetch` returns the bytes at a path below the log, and `show` is called after
 * each part with the history so far.
 */
export async function readHistory(fetch, show = () => {}) {
  const first = await fetch("checkpoint").catch((error) => {
    if (error.status !== 404) throw error;
    throw new Error("the log has no checkpoint yet; its operator appends a policy that the root key signed");
  });
  const checkpoint = readCheckpoint(first);
  const history = { checkpoint, entries: new Array(checkpoint.size), leaves: new Array(checkpoint.size), from: checkpoint.size };
  for (let end = Math.ceil(checkpoint.size / WIDTH); end > 0; end -= AT_ONCE) {
    const begin = Math.max(0, end - AT_ONCE);
    const indices = Array.from({ length: end - begin }, (_, place) => begin + place);
    const bundles = await Promise.all(indices.map((index) => fetch(bundlePath(index, checkpoint.size))));
    bundles.forEach((bytes, place) => {
      const first = indices[place] * WIDTH;
      readBundle(bytes, Math.min(WIDTH, checkpoint.size - first)).forEach((entry, offset) => {
        history.entries[first + offset] = entry;
        history.leaves[first + offset] = readLeaf(entry);
      });
    });
    history.from = begin * WIDTH;
    show(history);
  }
  return history;
}

/** The strikes of a history, newest first, each with its lift if it has one, and the lifts, newest first. */
export function strikesOf({ leaves, from, checkpoint }) {
  const [strikes, lifts] = [[], new Map()];
  for (let index = checkpoint.size - 1; index >= from; index--) {
    const { value, lines } = leaves[index];
    if (value.kind === "lift") lifts.set(value.strike, { ...value, index, signatures: lines.length });
    if (value.kind === "strike") strikes.push({ ...value, index, signatures: lines.length, lift: lifts.get(value.id) ?? null });
  }
  return { strikes, lifts: [...lifts.values()] };
}

/** The policy in force: the newest one of a history. */
export function policyOf({ leaves, from, checkpoint }) {
  for (let index = checkpoint.size - 1; index >= from; index--) {
    if (leaves[index].value.kind === "policy") return leaves[index].value;
  }
  return null;
}

/** Reads verifier keys. */
export const readKeys = (texts) => Promise.all(texts.map(readVkey));

/**
 * Checks a complete history of a log with this origin and root key: the root of all entries, the checkpoint's signature, and that each
 * entry was signed by those whom the policy before it names. Returns false if this browser cannot.
 *
 * The rules of lists are not computed again here: the relays that cosign the log do that.
 */
export async function checkHistory(history, { origin, root_key: rootKey }) {
  if (!hasCrypto() || !(await hasEd25519())) return false;
  const { checkpoint, entries, leaves } = history;
  if (checkpoint.origin !== origin) throw new Error(`the checkpoint is of the log ${checkpoint.origin}; ask another relay`);
  await checkRoot(checkpoint, entries);
  const root = await readVkey(rootKey);
  const seen = { ids: new Set(), inForce: new Set() };
  let policy = null;
  for (const [index, leaf] of leaves.entries()) {
    try {
      await checkEntry({ leaf, origin, root, policy, seen });
    } catch (error) {
      throw new Error(`entry ${index} of the log is not valid: ${error.message}`);
    }
    if (leaf.value.kind === "policy") {
      const { moderators, working_keys: working } = leaf.value;
      policy = { value: leaf.value, moderators: await readKeys(moderators), working: await readKeys(working) };
    }
  }
  if (!policy || !(await isSigned(checkpoint, policy.working))) throw new Error("the checkpoint is not signed by the log's working key");
  return true;
}

async function checkEntry({ leaf, origin, root, policy, seen }) {
  const { id, kind, because } = leaf.value;
  if (seen.ids.has(id)) throw new Error(`another entry has the identity ${id}`);
  seen.ids.add(id);
  if (kind === "policy") {
    const isRooted = await signers(leaf, origin, [root]).then((found) => found.length > 0, () => false);
    if (isRooted) return;
    if (policy && canonicalJson(policy.value.working_keys) !== canonicalJson(leaf.value.working_keys)) {
      throw new Error("only the root key may change the working keys");
    }
  }
  if (!policy) throw new Error("the first entry is a policy of the root key");
  const isAutomatic = kind === "active" || (kind === "lift" && because === "expired");
  const found = await signers(leaf, origin, isAutomatic ? policy.working : policy.moderators);
  const required = isAutomatic ? 1 : policy.value.threshold;
  if (found.length < required) throw new Error(`${found.length} of ${required} signed it`);
  if (kind === "strike") seen.inForce.add(id);
  if (kind === "lift" && !seen.inForce.delete(leaf.value.strike)) throw new Error(`the strike ${leaf.value.strike} is not in force`);
}
