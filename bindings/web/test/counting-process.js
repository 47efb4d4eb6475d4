// Counts in a record of a file ledger as fast as it can, and prints each number when its change is complete:
// `node counting-process.js FOLDER OWNER [TIMES]`. Without TIMES it counts until it is killed.

import { writeSync } from "node:fs";
import { argv } from "node:process";

import { FileLedgers } from "@quotapass/web/node";

import { next } from "./counter.js";

const [folder, owner, times = Number.POSITIVE_INFINITY] = argv.slice(2);
const ledgers = new FileLedgers(folder);
for (let counted = 0; counted < Number(times); counted++) writeSync(1, `${await ledgers.change(owner, next)}\n`);
