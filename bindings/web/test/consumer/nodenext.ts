// An app in Node.js.
import {
  type Account,
  type AuthorRequest,
  type Client,
  FileLedgers,
  Identity,
  Ledger,
  type ListState,
  Lists,
  type LogSettings,
  type Membership,
  type Prover,
  QuotapassError,
  type ReportRequest,
  type Room,
  type Strike,
  start,
} from "@quotapass/web";
import { start as startInNode } from "@quotapass/web/node";

export async function ledger(): Promise<Ledger> {
  const client: Client = await start({ ledgers: new FileLedgers("/tmp/ledgers"), wasm: new Uint8Array() });
  const same: typeof start = startInNode;
  // @ts-expect-error: there is no worker in Node.js
  await same({ worker: "worker.js" });
  const account = await (await Identity.generate(client)).account({ chainId: 1, address: "0x" });
  return Ledger.create(client, account, { history: "unknown" });
}

export async function moderated(client: Client, room: Room, account: Account, membership: Membership, prover: Prover): Promise<number | null | undefined> {
  const log: LogSettings = { origin: "relay.example/moderation", rootKey: "root+1+2", servers: ["https://relay.example"], witnesses: [] };
  const lists = await Lists.open(client, room, [log]);
  const states: readonly ListState[] = await lists.sync({ now: 1 });
  // @ts-expect-error: settings need a root key
  await Lists.open(client, room, [{ origin: "relay.example/moderation", servers: [], witnesses: [] }]);
  const prepared = await prover.prepare(account, membership, room, { lists, stake: 10, onProgress: ({ list, lists, entries }) => console.log(list / lists, entries) });
  const answer = await prepared.send("hello", await ledger(), async ({ text, entry }) => ({ verdict: "accepted", text, entry }));
  const deletion: AuthorRequest = await prover.deletion(account, room, answer.entry);
  const report: ReportRequest = await prover.report(account, membership, room, answer.entry.nullifier, { reason: "spam" }, { lists });
  // @ts-expect-error: there is no such reason
  await prover.report(account, membership, room, answer.entry.nullifier, { reason: "dislike" }, { lists });
  console.log(states[0]?.entries, deletion.kind, report.body);
  const [strike] = await lists.strikes(account);
  if (strike !== undefined) await prover.appeal(account, room, strike, "why");
  return strike?.details?.until;
}

export const strikes = (error: unknown): readonly Strike[] => (error instanceof QuotapassError && error.code === "struck" ? (error.strikes ?? []) : []);
