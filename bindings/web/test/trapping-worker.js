// The package's worker, with a module in which one call traps like a failing program: `ready` at a certain second.

import "../dist/worker.js";

const FAILING = "preparedprover_ready";
export const TRAPPING_SECOND = 666;
/** A module whose function `t` only traps. */
const TRAP = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 116, 0, 0, 10, 5, 1, 3, 0, 0, 11];

const { t: trap } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(TRAP))).exports;
const instantiate = WebAssembly.instantiateStreaming;
WebAssembly.instantiateStreaming = async (...args) => {
  const { instance, module } = await instantiate.apply(WebAssembly, args);
  const ready = instance.exports[FAILING];
  const failing = (pointer, now) => (now === TRAPPING_SECOND ? trap() : ready(pointer, now));
  return { instance: { exports: { ...instance.exports, [FAILING]: failing } }, module };
};
