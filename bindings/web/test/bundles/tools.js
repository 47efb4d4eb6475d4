// Clean folders, each with one tool in the version of its lock file, the package from its archive, and the app.
//
// WORK  the folder for them

import { execFile } from "node:child_process";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { env, execPath } from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { install, npm, pack } from "../pack.js";

const here = fileURLToPath(new URL(".", import.meta.url));
export const work = env.WORK;
if (!work) throw new Error("WORK is not set; run the tests with `cargo xtask web bundles`");

/** Versions of Vite; the older ones only in the long form. */
export const VITES = env.LONG ? ["vite5", "vite6", "vite7", "vite8"] : ["vite8"];

let archive;

/** Makes the folder of a tool, and returns its path. */
export function prepare(tool, suite) {
  const folder = join(work, suite, tool);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  cpSync(join(here, "app"), folder, { recursive: true });
  cpSync(join(here, "tools", tool), folder, { recursive: true });
  npm(folder, "ci", "--ignore-scripts");
  archive ??= pack(join(work, suite, "archive"));
  install(folder, archive);
  return folder;
}

/** Runs a program of a package in a folder. */
export function run(folder, program, ...args) {
  return node(execPath, folder, join("node_modules", program), ...args);
}

/** Runs a script with a Node.js, and returns its output. */
export async function node(executable, folder, script, ...args) {
  try {
    const { stdout } = await promisify(execFile)(executable, [script, ...args], { cwd: folder, env: { ...env, ...environment(folder) } });
    return stdout;
  } catch (error) {
    throw new Error(`${script} ${args.join(" ")} failed in ${folder}:\n${error.stdout}\n${error.stderr}`, { cause: error });
  }
}

/** Each run begins with an empty folder of ledgers, because it posts the first message of an identity. */
function environment(folder) {
  const ledgers = join(folder, "ledgers");
  rmSync(ledgers, { recursive: true, force: true });
  return { LEDGERS: ledgers };
}
