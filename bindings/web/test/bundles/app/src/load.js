/** Fetches a file of `native make`. */
export const load = async (name) => new Uint8Array(await (await fetch(`/fixture/${name}`)).arrayBuffer());
