/**
 * Runs one operation per key at a time: callers that come while it is under way share its outcome. Nothing is kept
 * after it settles, so a failure is forgotten and the next caller tries anew.
 */
export class SingleFlight<Key, Value> {
  private readonly flights = new Map<Key, Promise<Value>>();

  /** Joins the operation of `key`, or starts it. */
  run(key: Key, start: () => Promise<Value>): Promise<Value> {
    const current = this.flights.get(key);
    if (current) return current;
    const flight = start().finally(() => this.flights.delete(key));
    this.flights.set(key, flight);
    return flight;
  }

  /** How many operations are under way. */
  get size(): number {
    return this.flights.size;
  }
}
