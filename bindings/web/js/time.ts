/** The clock, in Unix seconds. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}

/**
 * Returns the answer of a storage, or fails if there is none within this number of seconds: some browsers lose requests to
 * IndexedDB and never answer them.
 */
export async function answered<T>(answer: Promise<T>, seconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${seconds} seconds`)), seconds * 1000);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
