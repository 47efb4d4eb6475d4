// Serves the package and the output of `native make` to a browser.

import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
const packageFolder = fileURLToPath(new URL("..", import.meta.url));

/** Headers that make a page cross-origin isolated, so that it may share memory between threads. */
export const ISOLATION = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

/**
 * Serves `/fixture/` from one folder and everything else from another one, or the package; counts the requests. At
 * `/v1/moderation/` it has the log in the state `log.state`, as a relay has it.
 */
export async function serve(fixture, { isolated = false, root = packageFolder } = {}) {
  const asked = new Map();
  const log = { state: "first" };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    asked.set(pathname, (asked.get(pathname) ?? 0) + 1);
    // A body without an end.
    if (pathname === "/stalled.key") return response.write("QUOTAKEY");
    const path = normalize(decodeURIComponent(pathname));
    const resource = join(fixture, "log", log.state, path.slice("/v1/moderation".length));
    if (path.startsWith("/v1/moderation/") && !path.includes("..") && existsSync(resource)) {
      return createReadStream(resource).pipe(response.writeHead(200, { "content-type": "application/octet-stream" }));
    }
    const file = path.startsWith("/fixture/") ? join(fixture, path.slice("/fixture".length)) : join(root, path);
    if (path.includes("..") || extname(file) === "" || !existsSync(file)) return response.writeHead(404).end();
    const type = TYPES[extname(file)] ?? "application/octet-stream";
    response.writeHead(200, { "content-type": type, ...(isolated ? ISOLATION : {}) });
    return createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  return { url, asked, log, close: () => server.closeAllConnections() ?? server.close() };
}
