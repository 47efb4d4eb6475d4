// What the last build of this package was made from, and what it wrote: the file `built.json`, which the guard of
// `npm pack` compares with the folders.
//
// node scripts/built.js [--release]   writes the file; `cargo xtask web build` runs it at its end

import { createHash } from "node:crypto";
import { readFileSync, readdirSync, realpathSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { argv } from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The package's folder. */
export const folder = fileURLToPath(new URL("..", import.meta.url));

/** Folders with the package's own sources, and those that the build writes. */
const SOURCES = ["js", "src"];
export const OUTPUTS = ["dist", "wasm"];

/** The paths of all files below a folder, relative to the package, in a fixed order. */
export function files(name) {
  const entries = readdirSync(join(folder, name), { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  return paths.map((path) => relative(folder, path).split(sep).join("/")).sort();
}

/** SHA-256 of the names and contents of all files below these folders. */
function digest(folders) {
  const hash = createHash("sha256");
  for (const path of folders.flatMap(files)) {
    const content = readFileSync(join(folder, path));
    hash.update(`${path}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}

/** The present state of the folders. */
export function state() {
  return { sources: digest(SOURCES), outputs: digest(OUTPUTS) };
}

if (import.meta.url === pathToFileURL(realpathSync(argv[1])).href) {
  const built = { release: argv.includes("--release"), ...state() };
  writeFileSync(join(folder, "built.json"), `${JSON.stringify(built, null, 2)}\n`);
}
