import { run } from "./server-app.js";

run();
