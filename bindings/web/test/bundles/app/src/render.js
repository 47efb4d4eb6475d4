// What a server renders of an app whose page posts: it imports the package and starts nothing.
import { MIN_ANONYMITY, start } from "@quotapass/web";

import { post } from "./app.js";

export const render = () => `<button title="${MIN_ANONYMITY}">${typeof start} ${typeof post}</button>`;
