import { type CallContext, type Clock, isQuaysideError } from '@app/core';
import type { TaskOutput } from '../tasks/task';
import type { Waiter } from './waiter';

/** What a run gave. */
export interface RunResult {
  /** By key; undefined where the model gave an output that cannot be told apart by rows. */
  readonly outputs: ReadonlyMap<string, TaskOutput> | undefined;
  /** All of it as the executor gave it, where all keys were run. */
  readonly whole?: TaskOutput;
  /** Keys that were run, and not found in Redis. */
  readonly ran: ReadonlySet<string>;
  readonly queueMs: number;
  readonly computeMs: number;
  readonly batchSize: number;
}

/** How a run ended. `isLeadersOwn`: for a reason that says nothing about the calls that joined it. */
export type RunOutcome =
  | { readonly result: RunResult }
  | { readonly result?: undefined; readonly error: unknown; readonly isLeadersOwn: boolean };

/** What a run is of, and how it is done. */
export interface RunToShare {
  readonly keys: readonly string[];
  readonly leader: Waiter;
  readonly clock: Clock;
  /** Runs the keys within the context: until the latest deadline of those who wait, or until all have left. */
  readonly execute: (context: CallContext) => Promise<RunResult>;
}

/**
 * One run of some keys on behalf of everyone who asks for them. It begins when it is made and settles once; those who
 * join later wait for the same outcome. It runs as its leader's call: when that ends for lack of room or time, the next
 * who wants all of it leads. When the last of them leaves, it is cancelled.
 */
export class SharedRun {
  readonly keys: readonly string[];
  /** Never rejects. */
  readonly outcome: Promise<RunOutcome>;
  /** Who waits, oldest first, and whether for all of it. */
  private readonly members = new Map<Waiter, boolean>();
  private readonly gone = new AbortController();
  private isSettled = false;

  constructor(private readonly run: RunToShare) {
    this.keys = run.keys;
    this.members.set(run.leader, true);
    this.outcome = this.lead(run.leader).finally(() => (this.isSettled = true));
  }

  /** Nobody waits for it any more: it will not be answered, and must not be joined. */
  get isAbandoned(): boolean {
    return this.gone.signal.aborted;
  }

  /** Waits with the others for these keys. From now on each of them keeps its own deadline. */
  join(waiter: Waiter, keys: readonly string[]): void {
    if (this.members.size === 1) for (const first of this.members.keys()) first.arm();
    waiter.arm();
    this.members.set(waiter, keys.length === this.keys.length);
  }

  /** Waits no longer; fine for one that does not wait. */
  leave(waiter: Waiter): void {
    this.members.delete(waiter);
    // After its end there is nothing to cancel, and an abort makes an error with its stack.
    if (this.members.size === 0 && !this.isSettled) this.gone.abort();
  }

  private async lead(first: Waiter): Promise<RunOutcome> {
    for (let leader = first; ;) {
      try {
        return { result: await this.run.execute(this.contextOf(leader)) };
      } catch (error) {
        if (!this.isLeadersOwn(error, leader)) return { error, isLeadersOwn: false };
        leader.fail(error);
        this.members.delete(leader);
        const next = [...this.members].find(([, wantsAll]) => wantsAll)?.[0];
        if (!next) return { error, isLeadersOwn: true };
        leader = next;
      }
    }
  }

  /** A refusal for lack of room or time is the leader's; the hard timeout of the model, before its deadline, is the input's. */
  private isLeadersOwn(error: unknown, leader: Waiter): boolean {
    if (!isQuaysideError(error)) return false;
    if (error.code === 'client_closed' || error.code === 'overloaded') return true;
    if (error.code !== 'deadline_exceeded') return false;
    return error.stage === 'queued' || this.run.clock.monotonicMs() >= leader.context.deadlineAtMs;
  }

  private contextOf({ context: { requestId, traceparent, deadlineAtMs } }: Waiter): CallContext {
    const { members } = this;
    return {
      requestId,
      traceparent,
      signal: this.gone.signal,
      /** The latest deadline of those who wait now: it moves when a call joins. */
      get deadlineAtMs() {
        let latest = members.size === 0 ? deadlineAtMs : -Infinity;
        for (const member of members.keys()) latest = Math.max(latest, member.context.deadlineAtMs);
        return latest;
      },
    };
  }
}
