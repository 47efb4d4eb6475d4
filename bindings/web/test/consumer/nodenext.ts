// An app in Node.js.
import { type Client, FileLedgers, Identity, Ledger, start } from "@quotapass/web";
import { start as startInNode } from "@quotapass/web/node";

export async function ledger(): Promise<Ledger> {
  const client: Client = await start({ ledgers: new FileLedgers("/tmp/ledgers"), wasm: new Uint8Array() });
  const same: typeof start = startInNode;
  // @ts-expect-error: there is no worker in Node.js
  await same({ worker: "worker.js" });
  const account = await (await Identity.generate(client)).account({ chainId: 1, address: "0x" });
  return Ledger.create(client, account, { history: "unknown" });
}
