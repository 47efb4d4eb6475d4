// Renders with the build of Vite.
import { render } from "./out-ssr/render.js";

console.log(render());
