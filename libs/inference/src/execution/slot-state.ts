/**
 * Where one executor process stands.
 *
 *     starting → idle ⇄ busy
 *                idle ⇄ loading
 *     starting, idle, busy, loading → draining → dead;   any → dead
 */
export enum SlotState {
  /** Spawned. Ends with its `hello`, or is killed when that does not come. */
  Starting = 'starting',
  /** It opens, warms or releases a version, and answers no more than the ping before. Ends with `loaded`, `unloaded` or `error`. */
  Loading = 'loading',
  /** It waits for work, and is pinged. Ends with the next question. */
  Idle = 'idle',
  /** One batch runs. It is pinged before it at most: the clock of the run is its health. Ends with `result` or `error`. */
  Busy = 'busy',
  /** It gets no more work: it was asked to end, or killed. Ends when its exit is seen. */
  Draining = 'draining',
  /** The process is gone. Final. */
  Dead = 'dead',
}

const MOVES: Readonly<Record<SlotState, readonly SlotState[]>> = {
  [SlotState.Starting]: [SlotState.Idle, SlotState.Draining, SlotState.Dead],
  [SlotState.Idle]: [SlotState.Busy, SlotState.Loading, SlotState.Draining, SlotState.Dead],
  [SlotState.Loading]: [SlotState.Idle, SlotState.Draining, SlotState.Dead],
  [SlotState.Busy]: [SlotState.Idle, SlotState.Draining, SlotState.Dead],
  [SlotState.Draining]: [SlotState.Dead],
  [SlotState.Dead]: [],
};

/** Gives `to`, if a slot may go there from `from`; throws otherwise, since that is a defect. */
export function moveSlot(from: SlotState, to: SlotState): SlotState {
  if (MOVES[from].includes(to)) return to;
  throw new Error(`A slot cannot go from ${from} to ${to}.`);
}
