import { start } from "@quotapass/web";

import { post } from "./app.js";
import { load } from "./load.js";

window.result = start().then((client) => post(client, load));
