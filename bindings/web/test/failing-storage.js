// The package's worker, in which the database fails. The query lists what happens each time it is opened; after that it
// works. Time limits are a tenth of the package's.

import "../dist/worker.js";

const ways = location.search.slice(1).split(",");
const { open } = IDBFactory.prototype;
const { setTimeout } = globalThis;
globalThis.setTimeout = (work, time) => setTimeout(work, time / 10);

/** Opens the database, and changes it before the package sees it. */
const opened = (change) => (factory, names) => {
  const opening = open.apply(factory, names);
  opening.addEventListener("success", () => change(opening.result));
  return opening;
};

const WAYS = {
  works: opened(() => undefined),
  throws: () => {
    throw new DOMException("storage is forbidden", "SecurityError");
  },
  refuses: () => {
    const opening = { error: new DOMException("the connection to the server is lost", "UnknownError") };
    setTimeout(() => opening.onerror());
    return opening;
  },
  hangs: () => ({}),
  closes: opened((database) => database.close()),
  aborts: opened((database) => {
    const begin = database.transaction.bind(database);
    database.transaction = (...names) => {
      const transaction = begin(...names);
      queueMicrotask(() => transaction.abort());
      return transaction;
    };
  }),
  stalls: opened((database) => {
    database.transaction = () => ({ objectStore: () => ({ get: () => ({}) }) });
  }),
};

IDBFactory.prototype.open = function (...names) {
  return WAYS[ways.shift() ?? "works"](this, names);
};
