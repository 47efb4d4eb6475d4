import wasm from "@quotapass/web/quotapass_web_bg.wasm";
import wasmThreads from "@quotapass/web/threads/quotapass_web_bg.wasm";
import { start } from "@quotapass/web";

import { post } from "./app.js";
import { load } from "./load.js";

const at = (path) => new URL(path, import.meta.url);
const files = { worker: at("quotapass-worker.js"), wasm: at(wasm), wasmThreads: at(wasmThreads) };
window.result = start(files).then((client) => post(client, load));
