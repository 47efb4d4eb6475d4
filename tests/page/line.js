// A line between a browser and a server, which can be made slow.

import { createServer, connect } from "node:net";

const until = (time) => new Promise((resolve) => setTimeout(resolve, time - Date.now()));

/** A proxy of TCP connections. All connections share the bandwidth towards the browser. */
export class Line {
  /** Bytes that went to the browser. */
  received = 0;
  #bytesPerSecond = Infinity;
  #latencyMs = 0;
  /** Time at which the line has carried everything that it was given. */
  #free = 0;
  #server;

  /** Opens a line to the server of a URL. */
  static async to(url) {
    const line = new Line();
    const { hostname, port } = new URL(url);
    line.#server = createServer((browser) => line.#carry(browser, connect(Number(port), hostname)));
    await new Promise((resolve) => line.#server.listen(0, "127.0.0.1", resolve));
    return line;
  }

  /** Returns a URL of the server as the browser has to write it. */
  url(of) {
    const url = new URL(of);
    url.host = `127.0.0.1:${this.#server.address().port}`;
    return url.href;
  }

  slow({ bytesPerSecond, latencyMs }) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#latencyMs = latencyMs;
  }

  close() {
    this.#server.close();
  }

  #carry(browser, server) {
    this.#oneWay(browser, server, () => Date.now() + this.#latencyMs);
    this.#oneWay(server, browser, (length) => {
      this.received += length;
      this.#free = Math.max(this.#free, Date.now()) + (length / this.#bytesPerSecond) * 1_000;
      return this.#free + this.#latencyMs;
    });
  }

  #oneWay(from, to, arrival) {
    let last = Promise.resolve();
    from.on("data", (bytes) => {
      const at = arrival(bytes.length);
      last = last.then(() => until(at)).then(() => to.destroyed || to.write(bytes));
    });
    from.on("end", () => (last = last.then(() => to.end())));
    from.on("error", () => to.destroy());
    from.on("close", () => (last = last.then(() => to.end())));
  }
}
