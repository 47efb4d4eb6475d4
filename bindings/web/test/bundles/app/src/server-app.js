import { FileLedgers, start } from "@quotapass/web/node";
import { readFile } from "node:fs/promises";

import { post } from "./app.js";

/** Posts with a ledger in a folder, and prints the result. FIXTURE is the folder of `native make`. */
export async function run(options) {
  const client = await start({ ledgers: new FileLedgers(process.env.LEDGERS), ...options });
  const load = async (name) => new Uint8Array(await readFile(`${process.env.FIXTURE}/${name}`));
  console.log(JSON.stringify(await post(client, load)));
}
