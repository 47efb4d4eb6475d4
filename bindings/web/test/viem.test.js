// Tests of the helpers for viem, on a chain of anvil with the real contracts.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { createWalletClient, erc20Abi, http } from "viem";
import { Identity, Membership, start } from "@quotapass/web";
import { chainHead, deposit, registryAbi } from "@quotapass/web/viem";

import { FEE, TIERS, startChain } from "./chain.js";
import { fails } from "./fails.js";

let chain, client, identity;

before(async () => {
  chain = await startChain();
  client = await start();
  identity = await Identity.generate(client);
});

after(() => {
  client?.close();
  chain?.close();
});

const account = (number) => identity.account(chain.registry, number);
const balance = ({ account }) =>
  chain.reader.readContract({ address: chain.token, abi: erc20Abi, functionName: "balanceOf", args: [account.address] });
const write = async (wallet, functionName, args) => {
  const hash = await wallet.writeContract({ address: chain.registry.address, abi: registryAbi, functionName, args });
  return chain.reader.waitForTransactionReceipt({ hash });
};

/** The terms that the registry gave a member, in the form of `Membership.fromList`. */
async function listed({ index, commitment }) {
  const member = await chain.reader.readContract({
    address: chain.registry.address,
    abi: registryAbi,
    functionName: "member",
    args: [BigInt(index)],
  });
  return { commitment, stake: member.stake, messageLimit: member.messageLimit, since: member.since };
}

test("a deposit costs the tier and the fee, and leads to the root that the wallet computes", async () => {
  const [wallet] = chain.wallets;
  const before = await balance(wallet);
  const steps = [];
  const onSent = (step, hash) => steps.push([step, hash.length]);
  const first = await deposit(wallet, await account(0), { tier: 0, onSent });
  assert.deepEqual(steps, [["approve", 66], ["deposit", 66]]);
  assert.deepEqual([first.index, first.isFirst], [0, true]);
  assert.equal(first.commitment, (await account(0)).commitment());
  assert.equal(before - (await balance(wallet)), TIERS[0].amount + FEE);
  const earlier = await chainHead(chain.reader, chain.registry);

  const second = await deposit(wallet, await account(1), { tier: 1 });
  assert.equal(second.index, 1);
  const members = [await listed(first), await listed(second)];
  assert.deepEqual(members.map(({ stake, messageLimit }) => [stake, messageLimit]), [[100, 20], [500, 100]]);
  const head = await chainHead(wallet, chain.registry);
  assert.equal(head.memberCount, 2);
  const membership = await Membership.fromList(client, second, members);
  assert.equal(await membership.root(), head.root, "contract and module compute one root");

  // At an earlier block both values are the earlier ones.
  const { blockNumber } = earlier;
  assert.deepEqual(await chainHead(chain.reader, chain.registry, { blockNumber }), earlier);
  const alone = await Membership.fromList(client, first, members.slice(0, 1));
  assert.deepEqual([earlier.memberCount, earlier.root], [1, await alone.root()]);
});

test("a deposit that was made is not made again", async () => {
  const [wallet] = chain.wallets;
  const made = await deposit(wallet, await account(2), { tier: 0 });
  const before = await balance(wallet);
  const again = await deposit(wallet, await account(2), { tier: 0 });
  assert.deepEqual(again, { index: made.index, commitment: made.commitment, transaction: null, isFirst: false });
  assert.equal(await balance(wallet), before);
  await write(wallet, "requestExit", [BigInt(made.index)]);
  await assert.rejects(deposit(wallet, await account(2), { tier: 0 }), fails("removed"));
});

test("a commitment that another wallet deposited before is not new", async () => {
  const [one, other] = chain.wallets;
  const made = await deposit(one, await account(3), { tier: 0 });
  const copied = await deposit(other, await account(3), { tier: 0 });
  assert.deepEqual([made.isFirst, copied.isFirst], [true, false]);
  assert.notEqual(copied.index, made.index);
});

test("tokens that are approved already are not approved again", async () => {
  const [wallet] = chain.wallets;
  const approve = { address: chain.token, abi: erc20Abi, functionName: "approve", args: [chain.registry.address, 100_000n] };
  await chain.reader.waitForTransactionReceipt({ hash: await wallet.writeContract(approve) });
  const steps = [];
  await deposit(wallet, await account(4), { tier: 0, onSent: (step) => steps.push(step) });
  assert.deepEqual(steps, ["deposit"]);
});

test("a wrong chain, a missing wallet and a refusal of the registry are explained", async () => {
  const [wallet] = chain.wallets;
  const elsewhere = await identity.account({ ...chain.registry, chainId: 1 }, 0);
  const wrongChain = fails("invalid_argument", ({ message }) => assert.match(message, /on the chain 31337, and the registry on 1/));
  await assert.rejects(deposit(wallet, elsewhere, { tier: 0 }), wrongChain);
  await assert.rejects(chainHead(chain.reader, elsewhere.registry), wrongChain);
  await assert.rejects(deposit(chain.reader, await account(5), { tier: 0 }), fails("invalid_argument"));
  await assert.rejects(deposit(wallet, await account(5), { tier: 9 }), /UnknownTier/);
  const silent = createWalletClient({ account: wallet.account, transport: http("http://127.0.0.1:1", { retryCount: 0 }) });
  await assert.rejects(chainHead(silent, chain.registry), /HTTP request failed/);
});
