// The output of `native make`, for the tests.
//
// FIXTURE  the folder of the output NATIVE   the program, which verifies the proofs made here

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const folder = process.env.FIXTURE;
if (!folder) throw new Error("FIXTURE is not set; run the tests with `cargo xtask web test`");

export const read = (name) => new Uint8Array(readFileSync(join(folder, name)));
export const fixture = JSON.parse(readFileSync(join(folder, "fixture.json"), "utf8"));
export const registry = { chainId: fixture.registry.chain_id, address: fixture.registry.address };
export const head = { root: fixture.root, memberCount: fixture.memberCount };
export const own = { index: fixture.index, commitment: fixture.commitment };

/** The tree in a relay's format, which records the requests. */
export function source() {
  const asked = [];
  return {
    asked,
    upperNodes: async () => (asked.push("upper"), read("upper.bin")),
    bucket: async (number) => (asked.push(number), read(`bucket-${number}.bin`)),
  };
}

/** Returns the verdicts of the native verifier. */
export function verifyNatively(posts) {
  const input = posts.map((post) => JSON.stringify(post)).join("\n");
  return execFileSync(process.env.NATIVE, ["verify", folder], { input, encoding: "utf8" }).trim().split("\n");
}

/** A server of the log in one state; it can be changed. Records what it is asked for. */
export class LogFixture {
  asked = [];

  constructor(state) {
    this.state = state;
  }

  /** `connect` of `Lists.open`. */
  connect = () => ({
    fetch: async (log, path) => {
      this.asked.push(path);
      if (this.state === null) throw new Error("there is no network");
      const file = join(folder, "log", this.state, log, path);
      return existsSync(file) ? new Uint8Array(readFileSync(file)) : null;
    },
  });
}
