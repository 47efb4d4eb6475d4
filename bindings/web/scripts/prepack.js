// Guard of `npm pack` and `npm publish`: adds the licences, and refuses a package that is not the result of
// `cargo xtask web build --release` from the present sources, or that names paths of the machine that built it.
//
// QUOTAPASS_PACK  `unoptimised` allows a build without --release, for tests of the package

import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, sep } from "node:path";
import { env, exit } from "node:process";

import { OUTPUTS, files, folder, state } from "./built.js";

const LICENCES = ["LICENSE-APACHE", "LICENSE-MIT"];
/** Files without which the package does not work. */
const NEEDED = [
  ...["age", "index", "node", "viem", "worker"].map((name) => `dist/${name}.js`),
  ...["age", "index", "node", "viem"].map((name) => `dist/${name}.d.ts`),
  ...["instance.js", "quotapass_web.js", "quotapass_web_bg.wasm"].map((name) => `wasm/${name}`),
  ...["quotapass_web.js", "quotapass_web_bg.wasm"].map((name) => `wasm/threads/${name}`),
];
const BUILD = "run `cargo xtask web build --release`";
const root = join(folder, "../..");

try {
  check();
  for (const name of LICENCES) copyFileSync(join(root, name), join(folder, name));
} catch (error) {
  console.error(`this package cannot be published: ${error.message}`);
  exit(1);
}

function check() {
  const missing = NEEDED.filter((path) => !existsSync(join(folder, path)));
  if (missing.length > 0) throw new Error(`${missing.join(", ")} missing; ${BUILD}`);

  const path = join(folder, "built.json");
  if (!existsSync(path)) throw new Error(`nothing says how it was built; ${BUILD}`);
  const built = JSON.parse(readFileSync(path, "utf8"));
  const { sources, outputs } = state();
  if (built.sources !== sources) throw new Error(`its sources changed since it was built; ${BUILD}`);
  if (built.outputs !== outputs) throw new Error(`dist or wasm changed since they were built; ${BUILD}`);
  if (built.release !== true && env.QUOTAPASS_PACK !== "unoptimised") {
    throw new Error(`its WebAssembly is not optimised; ${BUILD}`);
  }

  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const workspace = /^\[workspace\.package\][^[]*?^version = "(.*?)"/ms.exec(readFileSync(join(root, "Cargo.toml"), "utf8"))?.[1];
  if (version !== workspace) throw new Error(`package.json has the version ${version}, Cargo.toml ${workspace}; make them equal`);

  // The same sources would otherwise give another package on another machine, and the paths may contain a name.
  const folders = [root, homedir(), env.CARGO_HOME].filter((path) => path && path !== sep).map((path) => path + sep);
  const paths = [...folders, "/.cargo/", "\\.cargo\\", "/rustlib/src/"];
  for (const file of OUTPUTS.flatMap(files)) {
    const content = readFileSync(join(folder, file), "latin1");
    const found = paths.find((path) => content.includes(path));
    if (found !== undefined) throw new Error(`${file} names the path ${found} of this machine; look at the flags in xtask/src/web/toolchain.rs`);
  }
}
