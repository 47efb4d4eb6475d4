// An app in a browser.
import { type Client, Identity, type LedgerStorage, QuotapassError, start } from "@quotapass/web";

export async function commitment(): Promise<string> {
  const client: Client = await start({ worker: new URL("https://app.example/worker.js"), threads: 2 });
  const identity = await Identity.generate(client);
  // @ts-expect-error: a browser has its own storage
  await start({ ledgers: {} as LedgerStorage });
  return (await identity.account({ chainId: 1n, address: "0x" })).commitment();
}

export const isUsed = (error: unknown): boolean => error instanceof QuotapassError && error.code === "quota_used";
