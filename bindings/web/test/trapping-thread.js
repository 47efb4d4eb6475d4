// The package's worker, whose threads trap as soon as they run.

import "../dist/worker.js";

const { instantiate } = WebAssembly;
WebAssembly.instantiate = async (module, imports) => {
  const { exports } = await instantiate.call(WebAssembly, module, imports);
  const runThread = () => {
    throw new WebAssembly.RuntimeError("unreachable");
  };
  return { exports: { ...exports, runThread } };
};
