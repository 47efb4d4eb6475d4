/** A change of a record that holds a number: the next number. */
export function next(bytes) {
  const number = bytes === null ? 1 : Number(new TextDecoder().decode(bytes)) + 1;
  return { bytes: new TextEncoder().encode(String(number)), result: number };
}

/** A change that only reads the number. */
export function read(bytes) {
  return { result: bytes === null ? 0 : Number(new TextDecoder().decode(bytes)) };
}
