// An app with viem: only its types are checked.
import { type Address, createPublicClient, createWalletClient, custom, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { mainnet } from "viem/chains";
import { type Client, Identity, Membership, type Registry, relayMembers } from "@quotapass/web";
import { type Deposit, chainHead, deposit, registryAbi } from "@quotapass/web/viem";

export async function join(client: Client, registry: Registry, address: Address): Promise<Membership> {
  const provider = { request: async (): Promise<unknown> => undefined };
  const inBrowser = createWalletClient({ account: address, transport: custom(provider) });
  const withKey = createWalletClient({ account: privateKeyToAccount(`0x${"11".repeat(32)}`), chain: mainnet, transport: http() });
  const readers = [createPublicClient({ transport: http() }), createPublicClient({ chain: mainnet, transport: http() })] as const;

  const account = await (await Identity.generate(client)).account(registry);
  const deposited: Deposit = await deposit(inBrowser, account, { tier: 0 });
  await deposit(withKey, account, { tier: 0, confirmations: 2, onSent: (step, transaction) => console.log(step, transaction) });
  // @ts-expect-error: the tier decides what the deposit costs
  await deposit(withKey, account, {});
  const membership = await Membership.create(client, deposited);
  await membership.sync(await chainHead(readers[0], registry), relayMembers("https://relay.example"));
  await membership.sync(await chainHead(readers[1], registry, { blockNumber: 1n }), relayMembers("https://relay.example"));

  const fee: bigint = await readers[1].readContract({ address: address, abi: registryAbi, functionName: "fee" });
  console.log(fee);
  return membership;
}
