// Checks the files of `quotapass circuit export` with snarkjs, which shares no code with this project.
//
// Environment: EXPORT is the export folder, INFO the file with the output of `quotapass circuit info --json`.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import * as snarkjs from "snarkjs";

const FIELD_ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;

const json = async (path) => JSON.parse(await readFile(path, "utf8"));
const circuits = (await readFile(process.env.INFO, "utf8")).trim().split("\n").map((line) => JSON.parse(line));

// snarkjs keeps worker threads alive, which must be terminated.
after(async () => (await snarkjs.curves.getCurveFromName("bn128")).terminate());

assert.deepEqual(circuits.map((circuit) => circuit.circuit), [
  "post",
  "badge",
  "slash",
  "author",
  "record16",
  "record128",
]);

// The inputs that are changed: all of a circuit with few, and for a record the post's and those of some listed posts.
const MOST = 20;
const changedInputs = (count) => {
  const all = [...Array(count).keys()];
  const middle = 3 * Math.floor(count / 6);
  return count <= MOST ? all : [0, 1, 2, 3, 4, 5, middle, middle + 1, middle + 2, count - 3, count - 2, count - 1];
};

for (const info of circuits) {
  const folder = join(process.env.EXPORT, info.circuit);
  const [key, proof, inputs] = await Promise.all(
    ["verification_key.json", "proof.json", "public.json"].map((name) => json(join(folder, name))),
  );

  test(`${info.circuit}: snarkjs accepts the proof`, async () => {
    assert.equal(inputs.length, info.public_inputs.length);
    assert.equal(await snarkjs.groth16.verify(key, inputs, proof), true);
  });

  test(`${info.circuit}: snarkjs rejects the proof with one public input changed`, async () => {
    for (const i of changedInputs(inputs.length)) {
      const changed = [...inputs];
      changed[i] = ((BigInt(changed[i]) + 1n) % FIELD_ORDER).toString();
      assert.equal(await snarkjs.groth16.verify(key, changed, proof), false, info.public_inputs[i]);
    }
  });

  test(`${info.circuit}: snarkjs reads the .r1cs with the same counts`, async () => {
    const r1cs = await snarkjs.r1cs.info(join(folder, `${info.circuit}.r1cs`));
    assert.equal(r1cs.n8, 32);
    assert.equal(r1cs.prime, FIELD_ORDER);
    assert.equal(r1cs.nConstraints, info.constraints);
    assert.equal(r1cs.nOutputs, 0);
    assert.equal(r1cs.nPubInputs, info.public_inputs.length);
    assert.equal(r1cs.nVars, 1 + r1cs.nPubInputs + r1cs.nPrvInputs);
  });

  test(`${info.circuit}: snarkjs finds the constraints satisfied by the witness`, async () => {
    const r1cs = join(folder, `${info.circuit}.r1cs`);
    assert.equal(await snarkjs.wtns.check(r1cs, join(folder, "witness.wtns")), true);
  });

  test(`${info.circuit}: snarkjs computes the same pairing of alpha and beta`, async () => {
    const curve = await snarkjs.curves.getCurveFromName("bn128");
    const g1 = curve.G1.fromObject(key.vk_alpha_1.map(BigInt));
    const g2 = curve.G2.fromObject(key.vk_beta_2.map((pair) => pair.map(BigInt)));
    const product = curve.Gt.toObject(curve.pairing(g1, g2));
    assert.deepEqual(product.map((c) => c.map((pair) => pair.map(String))), key.vk_alphabeta_12);
  });
}
