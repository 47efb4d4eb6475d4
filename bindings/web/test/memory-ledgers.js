/** Ledgers in memory, only for tests: a restart would repeat message ids. */
export class MemoryLedgers {
  records = new Map();

  async change(owner, change) {
    const { bytes, result } = change(this.records.get(owner) ?? null);
    if (bytes !== undefined) this.records.set(owner, bytes);
    return result;
  }

  async persist() {
    return false;
  }
}
