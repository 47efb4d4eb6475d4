import wasm from "@quotapass/web/quotapass_web_bg.wasm";

import { run } from "./server-app.js";

run({ wasm });
