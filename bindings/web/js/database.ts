/** The name of the database, which has all data of this package. */
const NAME = "quotapass";
const VERSION = 1;

/** Opens the database, uses it, and closes it. */
export async function withDatabase<T>(use: (database: IDBDatabase) => Promise<T>): Promise<T> {
  const database = await openDatabase();
  try {
    return await use(database);
  } finally {
    database.close();
  }
}

/** Opens the database with its two stores: `keys`, a cache by hash, and `ledgers`, by owner. */
function openDatabase(): Promise<IDBDatabase> {
  const opening = indexedDB.open(NAME, VERSION);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore("keys");
    opening.result.createObjectStore("ledgers");
  };
  return request(opening);
}

/** Returns the result of a request. */
export function request<T>(asked: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}
