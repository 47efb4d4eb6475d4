// A snarkjs key for our circuit, only for measurements: the person who runs this knows all its secrets.

import { existsSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";

import * as snarkjs from "snarkjs";

/** The power of tau that a domain of 4,096 needs. */
const POWER = 13;

/** Makes `post.zkey` from `post.r1cs` unless it exists. Takes some minutes. */
export async function makeZkey(folder) {
  const file = (name) => join(folder, name);
  if (existsSync(file("post.zkey"))) return;
  console.log("making a key for snarkjs; this takes some minutes, once");
  const curve = await snarkjs.curves.getCurveFromName("bn128");
  await snarkjs.powersOfTau.newAccumulator(curve, POWER, file("first.ptau"));
  await snarkjs.powersOfTau.contribute(file("first.ptau"), file("second.ptau"), "measuring", "not random");
  await snarkjs.powersOfTau.preparePhase2(file("second.ptau"), file("final.ptau"));
  await snarkjs.zKey.newZKey(file("post.r1cs"), file("final.ptau"), file("initial.zkey"));
  await snarkjs.zKey.contribute(file("initial.zkey"), file("contributed.zkey"), "measuring", "not random");
  await rename(file("contributed.zkey"), file("post.zkey"));
  await curve.terminate();
}
