/**
 * The registry contract for apps with [viem](https://viem.sh): its ABI, deposits, and the head to sync to.
 *
 * ```ts
 * const { index, commitment } = await deposit(wallet, account, { tier: 0 });
 * const membership = await Membership.create(client, { index, commitment });
 * await membership.sync(await chainHead(reader, account.registry), relayMembers("https://relay.example"));
 * ```
 *
 * Errors of viem reach the caller unchanged. If the registry refuses a call, they contain the name of its error, for example
 * `HasGate`.
 *
 * @packageDocumentation
 */

import { type Address, type Client, type Hash, erc20Abi, getAddress, isAddressEqual, numberToHex, parseEventLogs } from "viem";
import {
  getBlockNumber,
  getChainId,
  readContract,
  simulateContract,
  waitForTransactionReceipt,
  writeContract,
} from "viem/actions";

import { QuotapassError } from "./errors.js";
import type { Account } from "./identity.js";
import { registryAbi } from "./registry-abi.js";
import type { ChainHead, OwnMembership, Registry } from "./types.js";

export { registryAbi } from "./registry-abi.js";

/** Options of a deposit. */
export interface DepositOptions {
  /** The number of the registry's tier, which sets amount, stake and message limit. */
  readonly tier: number;
  /** Number of blocks that confirm each transaction; 1 if not given. */
  readonly confirmations?: number;
  /** Is called when a transaction was sent, with its hash. */
  readonly onSent?: (step: "approve" | "deposit", transaction: Hash) => void;
}

/** A deposit in the registry. `Membership.create` takes it. */
export interface Deposit extends OwnMembership {
  /** The transaction; null if this wallet had deposited for the account before. */
  readonly transaction: Hash | null;
  /**
   * Whether this is the first deposit for the commitment, by any wallet. Only then call `ledger.confirmCurrent()`:
   * otherwise the identity may have posted before.
   */
  readonly isFirst: boolean;
}

/**
 * Returns root and member count of the registry at one block: the newest, if no other is given. Use an endpoint that the
 * relay does not control.
 */
export async function chainHead(
  client: Client,
  registry: Registry,
  options: { readonly blockNumber?: bigint } = {},
): Promise<ChainHead & { readonly blockNumber: bigint }> {
  const address = await addressOf(client, registry);
  const blockNumber = options.blockNumber ?? (await getBlockNumber(client, { cacheTime: 0 }));
  const contract = { address, abi: registryAbi, blockNumber };
  const [root, memberCount] = await Promise.all([
    readContract(client, { ...contract, functionName: "root" }),
    readContract(client, { ...contract, functionName: "memberCount" }),
  ]);
  return { root: numberToHex(root, { size: 32 }), memberCount: Number(memberCount), blockNumber };
}

/**
 * Deposits for an account at its registry, and returns the membership. The client's wallet pays: it approves exactly the
 * tier's amount and the registry's fee first, if it has not approved them yet.
 *
 * The registry is the account's own, so take it from the app and never from the answer of a relay. If this wallet has
 * deposited for the account before, nothing is sent, so a call that was interrupted can be repeated. For a registry with a
 * gate call `depositGated` of `registryAbi`.
 *
 * Fails with `invalid_argument` if the client has no wallet or is on another chain, with `removed` if the member has left or
 * was slashed, and with `not_yet` if the wallet replaced the transaction by another one.
 */
export async function deposit(client: Client, account: Account, options: DepositOptions): Promise<Deposit> {
  const { tier, confirmations = 1, onSent } = options;
  const wallet = client.account;
  if (wallet === undefined) {
    throw new QuotapassError("invalid_argument", "the client has no wallet; pass `account` to createWalletClient");
  }
  const address = await addressOf(client, account.registry);
  const contract = { address, abi: registryAbi } as const;
  const commitment = account.commitment();
  const idc = BigInt(commitment);

  const [isUsed, index] = await readContract(client, { ...contract, functionName: "indexOf", args: [idc, wallet.address] });
  if (isUsed) return existing(client, address, index, commitment);

  const [{ amount }, fee, token] = await Promise.all([
    readContract(client, { ...contract, functionName: "tier", args: [BigInt(tier)] }),
    readContract(client, { ...contract, functionName: "fee" }),
    readContract(client, { ...contract, functionName: "token" }),
  ]);
  const price = amount + fee;
  const erc20 = { address: token, abi: erc20Abi } as const;
  const allowance = await readContract(client, { ...erc20, functionName: "allowance", args: [wallet.address, address] });
  if (allowance < price) {
    // No simulation: some tokens return nothing, which it would refuse.
    const approve = { ...erc20, functionName: "approve", args: [address, price], account: wallet, chain: null } as const;
    const hash = await writeContract(client, approve);
    onSent?.("approve", hash);
    const { status } = await waitForTransactionReceipt(client, { hash, confirmations });
    if (status !== "success") throw failed(hash, "the token refused the approval");
  }

  const call = { ...contract, functionName: "deposit", args: [idc, tier], account: wallet } as const;
  // If the registry would refuse it, this fails with the reason, before the user signs.
  await simulateContract(client, call);
  const hash = await writeContract(client, { ...call, chain: null });
  onSent?.("deposit", hash);
  const receipt = await waitForTransactionReceipt(client, { hash, confirmations });
  const added = parseEventLogs({ abi: registryAbi, eventName: "MemberAdded", logs: receipt.logs }).find(
    (log) => isAddressEqual(log.address, address) && log.args.idc === idc && isAddressEqual(log.args.depositor, wallet.address),
  );
  if (added === undefined) throw failed(hash, "it added no member: it was refused, or the wallet replaced it");
  const { blockNumber, transactionHash: transaction } = receipt;
  const slots = await readContract(client, { ...contract, functionName: "slotCount", args: [idc], blockNumber });
  return { index: Number(added.args.index), commitment, transaction, isFirst: slots === 1n };
}

/** The membership of an earlier deposit of this wallet. */
async function existing(client: Client, address: Address, index: bigint, commitment: string): Promise<Deposit> {
  const { status } = await readContract(client, { address, abi: registryAbi, functionName: "member", args: [index] });
  if (status !== 0) {
    const advice = "a wallet can deposit for a commitment only once: use the identity's next account";
    throw new QuotapassError("removed", `the member of this deposit has left or was slashed, and ${advice}`);
  }
  return { index: Number(index), commitment, transaction: null, isFirst: false };
}

function failed(hash: Hash, what: string): QuotapassError {
  return new QuotapassError("not_yet", `the transaction ${hash} failed: ${what}; look at it, and try again`);
}

/** Returns the address of a registry, after a check of the client's chain. */
async function addressOf(client: Client, { chainId, address }: Registry): Promise<Address> {
  const found = await getChainId(client);
  if (BigInt(found) !== BigInt(chainId)) {
    const what = `the client is on the chain ${found}, and the registry on ${chainId}`;
    throw new QuotapassError("invalid_argument", `${what}; switch the wallet's chain, or use another endpoint`);
  }
  return getAddress(address);
}
