import { FileLedgers, Identity, Ledger, Membership, Prover, Room, relayMembers, start } from "@quotapass/web/node";
import { chainHead, deposit } from "@quotapass/web/viem";
import { createWalletClient, http } from "viem";

const relay = "http://127.0.0.1:8480";
const ask = (path, body) =>
  fetch(
    relay + path,
    body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
  ).then((answer) => answer.json());
const wallet = createWalletClient({
  account: "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", // one of the chain's accounts; in a browser, the user's wallet
  transport: http("http://127.0.0.1:8545"),
});
await ask("/dev/faucet", { address: wallet.account.address }); // tokens for the deposit

const client = await start({ ledgers: new FileLedgers("ledgers") });
// The registry that the app is made for, never one that a relay names.
const account = await (await Identity.generate(client)).account({
  chainId: 31337,
  address: "0xb19b36b1456E65E3A6D514D3F715f204BD59f431",
});
const ledger = await Ledger.create(client, account, { history: "none" }); // a new identity has sent no message
const membership = await Membership.create(client, await deposit(wallet, account, { tier: 1 }));
await membership.sync(() => chainHead(wallet, account.registry), relayMembers(relay)); // checked against the chain
const room = Room.fromPolicy(await ask("/v1/policy"), "lobby");
const prover = await (await Prover.load(client, await ask("/dev/keys"))).prepare(account, membership, room);
console.log(
  await ask("/v1/verify", { scope: "lobby", message: "hello", pass: (await prover.post("hello", ledger)).text }),
);
