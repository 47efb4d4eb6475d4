// An app that posts once. `load` gives the bytes of a file of `native make`.
import { Identity, Ledger, Membership, Prover, Room } from "@quotapass/web";

export async function post(client, load) {
  const { mnemonic, registry, scopes, index, root, memberCount, now } = JSON.parse(new TextDecoder().decode(await load("fixture.json")));
  const identity = await Identity.fromMnemonic(client, mnemonic);
  const account = await identity.account({ chainId: registry.chain_id, address: registry.address });
  const membership = await Membership.create(client, { index, commitment: account.commitment() });
  await membership.sync({ root, memberCount }, { upperNodes: () => load("upper.bin"), bucket: (number) => load(`bucket-${number}.bin`) });
  const prover = await Prover.load(client, { post: await load("post.key") });
  const prepared = await prover.prepare(account, membership, Room.fromPolicy({ registry, scopes }, "lobby"), { now });
  const { text } = await prepared.post("bundled", await Ledger.create(client, account, { history: "none" }), { now });
  return { pass: text, threads: client.threads };
}
