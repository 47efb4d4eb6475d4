// Canonical JSON (RFC 8785), restricted as all statements of quotapass are: numbers are whole and below 2^53.

/** The canonical JSON of a value. */
export function canonicalJson(value) {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") {
    // A lone surrogate has no UTF-8 form.
    if (!value.isWellFormed()) throw new Error("a text has half a surrogate pair; type it again");
    return JSON.stringify(value);
  }
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new Error(`the number ${value} is not whole, or is 2^53 or more; state it as text`);
    return String(value === 0 ? 0 : value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object") throw new Error(`a value of type ${typeof value} has no JSON form`);
  // JavaScript compares strings by UTF-16 units, as RFC 8785 requires.
  const members = Object.keys(value).sort().map((name) => `${canonicalJson(name)}:${canonicalJson(value[name])}`);
  return `{${members.join(",")}}`;
}

/** Reads JSON that must be canonical. A second form of one statement, or a name that is there twice, is refused. */
export function readCanonicalJson(json) {
  let value;
  try {
    value = JSON.parse(json);
  } catch {
    throw new Error("this is not JSON");
  }
  if (canonicalJson(value) !== json) throw new Error("this is not canonical JSON (RFC 8785)");
  return value;
}
