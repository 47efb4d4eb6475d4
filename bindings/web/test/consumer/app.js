import { Identity, start } from "@quotapass/web";

const client = await start();
const identity = await Identity.generate(client);
const account = await identity.account({ chainId: 1, address: `0x${"11".repeat(20)}` });
console.log(account.commitment());
