// Renders in the development server of Vite.
import { createServer } from "vite";

const server = await createServer({ server: { middlewareMode: true, ws: false }, appType: "custom", logLevel: "error" });
const { render } = await server.ssrLoadModule("/src/render.js");
console.log(render());
await server.close();
