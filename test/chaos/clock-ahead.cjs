/** Loaded before a process: its clock is 60 s ahead, as one's that nobody sets. */
const AHEAD_MS = 60_000;
const Real = Date;

globalThis.Date = class extends Real {
  constructor(...parts) {
    super(...(parts.length === 0 ? [Real.now() + AHEAD_MS] : parts));
  }

  static now() {
    return Real.now() + AHEAD_MS;
  }
};
