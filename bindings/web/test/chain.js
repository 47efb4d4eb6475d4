// A local chain of anvil with a token and a registry, for tests.
//
// QUOTAPASS_ANVIL  the program; the one among the contracts' packages if it is not set

import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { arch, env, platform } from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { createPublicClient, createWalletClient, http, zeroAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { anvil as chain } from "viem/chains";

const contracts = fileURLToPath(new URL("../../../contracts", import.meta.url));
const artifacts = fileURLToPath(new URL("../../../crates/registry/artifacts", import.meta.url));
/** The first two keys that anvil gives tokens to; they are public. */
const KEYS = [
  "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
  "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
];

export const FEE = 10n;
export const TIERS = [
  { amount: 1_000n, stake: 100, messageLimit: 20 },
  { amount: 5_000n, stake: 500, messageLimit: 100 },
];
export const EXIT_DELAY = 3_600;

function artifact(name) {
  const { abi, bytecode } = JSON.parse(readFileSync(`${artifacts}/${name}.json`, "utf8"));
  return { abi, bytecode: bytecode.object };
}

function program() {
  const names = { linux: "linux", darwin: "darwin", win32: "win32" };
  const package_ = `${names[platform]}-${arch === "x64" ? "amd64" : arch}`;
  const packaged = `${contracts}/node_modules/@foundry-rs/anvil-${package_}/bin/anvil`;
  return env.QUOTAPASS_ANVIL ?? (existsSync(packaged) ? packaged : "anvil");
}

/** A port that is free now. */
async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * Starts anvil and deploys a token and a registry. Returns the registry, two wallets with tokens, a client that only
 * reads, and a function that ends it.
 */
export async function startChain() {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(program(), ["--port", String(port), "--chain-id", String(chain.id), "--silent"], { stdio: "inherit" });
  const failed = new Promise((_, reject) => child.once("error", (error) => reject(new Error(`cannot run anvil: ${error.message}`))));
  failed.catch(() => undefined);
  const close = () => child.kill();
  try {
    const transport = http(url, { retryCount: 0 });
    const reader = createPublicClient({ chain, transport, pollingInterval: 50 });
    const wallets = KEYS.map((key) =>
      createWalletClient({ account: privateKeyToAccount(key), chain, transport, pollingInterval: 50 }),
    );
    const until = Date.now() + 20_000;
    while ((await Promise.race([failed, reader.getChainId().catch(() => undefined)])) === undefined) {
      if (Date.now() > until || child.exitCode !== null) throw new Error("anvil does not answer");
      await pause(50);
    }
    const deploy = async (name, ...args) => {
      const hash = await wallets[0].deployContract({ ...artifact(name), args });
      return (await reader.waitForTransactionReceipt({ hash })).contractAddress;
    };
    const token = await deploy("DevToken");
    const config = {
      token,
      tiers: TIERS,
      fee: FEE,
      exitDelay: EXIT_DELAY,
      rewardBps: 5_000,
      treasury: zeroAddress,
      // Any contract: nothing is slashed here.
      verifier: token,
      gate: zeroAddress,
      stakePrice: 0n,
    };
    const address = await deploy("Registry", config);
    for (const wallet of wallets) {
      const mint = { address: token, abi: artifact("DevToken").abi, functionName: "mint", args: [wallet.account.address, 100_000n] };
      await reader.waitForTransactionReceipt({ hash: await wallet.writeContract(mint) });
    }
    return { registry: { chainId: chain.id, address }, token, wallets, reader, close };
  } catch (error) {
    close();
    throw error;
  }
}
