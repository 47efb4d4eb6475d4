// Tests of the archive that a registry would serve, and of the guard that lets it be made.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { execFileSync, spawnSync } from "node:child_process";
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { install, pack } from "./pack.js";

const packageFolder = fileURLToPath(new URL("..", import.meta.url));
const root = fileURLToPath(new URL("../../..", import.meta.url));
const TYPESCRIPT = join(packageFolder, "node_modules/typescript/bin/tsc");

let work, archive, unpacked;

before(() => {
  work = mkdtempSync(join(tmpdir(), "quotapass-package-"));
  archive = pack(join(work, "archive"));
  execFileSync("tar", ["-xzf", archive, "-C", work]);
  unpacked = join(work, "package");
});

after(() => rmSync(work, { recursive: true, force: true }));

const sha256 = (path) => createHash("sha256").update(readFileSync(path)).digest("hex");

/** Copies the package with all that its guard reads, to another path and with other times. */
function copy(name) {
  const folder = join(work, name, "bindings/web");
  const files = ["package.json", "README.md", "built.json", "scripts", "js", "src", "dist", "wasm"];
  for (const file of files) cpSync(join(packageFolder, file), join(folder, file), { recursive: true });
  for (const file of ["Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT"]) cpSync(join(root, file), join(work, name, file));
  utimesSync(join(folder, "dist/index.js"), 1, 1);
  return folder;
}

test("the archive has the package, its licences and its WebAssembly, and nothing else", () => {
  const names = execFileSync("tar", ["-tzf", archive], { encoding: "utf8" }).trim().split("\n");
  const allowed = /^package\/(package\.json|README\.md|LICENSE-(APACHE|MIT)|dist\/[\w-]+\.(js|d\.ts)|wasm\/(threads\/)?\w+\.(js|wasm|d\.ts|wasm\.d\.ts))$/;
  assert.deepEqual(names.filter((name) => !allowed.test(name)), []);
  for (const module of ["wasm", "wasm/threads"]) {
    const file = `${module}/quotapass_web_bg.wasm`;
    assert.equal(sha256(join(unpacked, file)), sha256(join(packageFolder, file)));
  }
  for (const licence of ["LICENSE-APACHE", "LICENSE-MIT"]) {
    assert.equal(sha256(join(unpacked, licence)), sha256(join(root, licence)));
  }
  const { exports } = JSON.parse(readFileSync(join(unpacked, "package.json"), "utf8"));
  const targets = (value) => (typeof value === "string" ? [value] : Object.values(value).flatMap(targets));
  for (const target of targets(exports)) readFileSync(join(unpacked, target));
});

test("the same build gives the same archive, wherever and whenever it is packed", () => {
  const other = pack(join(work, "other-archive"), copy("other"));
  assert.equal(sha256(other), sha256(archive));
});

test("nothing is packed that is not the result of a release build from the present sources", () => {
  const refused = (name, reason, change, { unoptimised = true } = {}) => {
    const folder = copy(name);
    change(folder);
    const env = { ...process.env, QUOTAPASS_PACK: unoptimised ? "unoptimised" : "" };
    const { status, stderr } = spawnSync(process.execPath, ["scripts/prepack.js"], { cwd: folder, env, encoding: "utf8" });
    assert.match(stderr, reason);
    assert.equal(status, 1);
    rmSync(join(work, name), { recursive: true });
  };
  const built = (folder, change) => {
    const path = join(folder, "built.json");
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...change }));
  };
  const rebuilt = (folder) => execFileSync(process.execPath, ["scripts/built.js"], { cwd: folder });

  refused("no-wasm", /quotapass_web_bg\.wasm missing/, (folder) => rmSync(join(folder, "wasm/threads/quotapass_web_bg.wasm")));
  refused("no-record", /how it was built/, (folder) => rmSync(join(folder, "built.json")));
  refused("new-source", /sources changed/, (folder) => appendFileSync(join(folder, "js/index.ts"), "\n"));
  refused("new-output", /dist or wasm changed/, (folder) => appendFileSync(join(folder, "dist/index.js"), "\n"));
  refused("left-output", /dist or wasm changed/, (folder) => writeFileSync(join(folder, "dist/old.js"), ""));
  refused("fast", /not optimised/, (folder) => built(folder, { release: false }), { unoptimised: false });
  refused("version", /version 9\.9\.9/, (folder) => {
    const path = join(folder, "package.json");
    writeFileSync(path, readFileSync(path, "utf8").replace(/"version": "[^"]*"/, '"version": "9.9.9"'));
  });
  refused("path", /dist\/index\.js names the path/, (folder) => {
    appendFileSync(join(folder, "dist/index.js"), `// ${homedir()}/quotapass\n`);
    rebuilt(folder);
  });
  refused("crate-path", /wasm\/quotapass_web_bg\.wasm names the path/, (folder) => {
    appendFileSync(join(folder, "wasm/quotapass_web_bg.wasm"), "/somewhere/.cargo/registry/src/a.rs");
    rebuilt(folder);
  });
});

test("installed from its archive, it works in Node.js, with types for both ways to resolve modules", () => {
  const folder = join(work, "app");
  cpSync(join(packageFolder, "test/consumer"), folder, { recursive: true });
  install(folder, archive);
  const output = execFileSync(process.execPath, ["app.js"], { cwd: folder, encoding: "utf8" });
  assert.match(output, /^0x[0-9a-f]{64}\n$/);
  for (const resolution of ["bundler", "nodenext"]) {
    const module = resolution === "bundler" ? "esnext" : "nodenext";
    const args = [TYPESCRIPT, "--noEmit", "--strict", "--exactOptionalPropertyTypes", "--target", "es2022", "--module", module];
    const { status, stdout } = spawnSync(process.execPath, [...args, "--moduleResolution", resolution, `${resolution}.ts`], {
      cwd: folder,
      encoding: "utf8",
    });
    assert.equal(status, 0, stdout);
  }
});

test("the helpers for viem take its clients of all kinds, and reports are encrypted by age or by an app", () => {
  const options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext"];
  const { status, stdout } = spawnSync(process.execPath, [TYPESCRIPT, "--ignoreConfig", ...options, "test/types/viem.ts", "test/types/age.ts"], {
    cwd: packageFolder,
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout);
});
