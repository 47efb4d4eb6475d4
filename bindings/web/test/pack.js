// Packs the package as for a registry, and installs the archive.

import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";
import { fileURLToPath } from "node:url";

const packageFolder = fileURLToPath(new URL("..", import.meta.url));

/** Runs npm in a folder. Scripts of other packages do not run. */
export function npm(folder, ...args) {
  const options = { cwd: folder, encoding: "utf8", shell: process.platform === "win32", stdio: ["ignore", "pipe", "pipe"] };
  return execFileSync("npm", [...args, "--no-audit", "--no-fund", "--prefer-offline"], {
    ...options,
    env: { ...env, QUOTAPASS_PACK: "unoptimised" },
  });
}

/** Packs into an empty folder, and returns the path of the archive. */
export function pack(destination, from = packageFolder) {
  rmSync(destination, { recursive: true, force: true });
  mkdirSync(destination, { recursive: true });
  npm(from, "pack", "--pack-destination", destination);
  return join(destination, ...readdirSync(destination));
}

/** Installs an archive into a folder, beside the packages that are there. */
export function install(folder, archive) {
  npm(folder, "install", "--no-save", "--ignore-scripts", archive);
}
