import config from "./vite.config.js";

const headers = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };
export default { ...config, server: { headers } };
