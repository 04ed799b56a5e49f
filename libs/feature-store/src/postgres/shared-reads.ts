import { type Clock, isQuaysideError } from '@app/core';
import type { Queryable } from '@app/database';
import type { RowReference } from '../rows/feature-reader';
import { ReadPause } from './read-pause';

/** One row as it is stored; `place` counts the references of its statement from 1. */
interface OnlineRow {
  readonly place: number;
  readonly event_ts: bigint;
  readonly data: string;
  readonly codec: number;
}

/** References by a name that is the same for the same row. */
export type NamedReferences = ReadonlyMap<string, RowReference>;

/** Rows by the names of their references, those of other reads in the same statement included. */
export type FoundRows = ReadonlyMap<string, OnlineRow>;

/** A read that was asked for. */
export interface AskedRead {
  /** Undefined when PostgreSQL does not answer, reads pause, or too much waits already. Rejects when the statement is faulty. */
  readonly found: Promise<FoundRows | undefined>;
  /** Nobody waits for it any more: if no statement has it yet, none will. */
  leave(): void;
}

interface WaitingRead {
  readonly references: NamedReferences;
  readonly outcome: PromiseWithResolvers<FoundRows | undefined>;
}

/** Less than the pool keeps open, so that no read waits for a connection. */
const STATEMENTS_IN_FLIGHT = 3;
/** Keys of one statement that several reads share, before what they repeat is left out; a larger read has one of its own. */
const KEYS_AT_ONCE = 1000;
/** Keys that wait in all; a read that would exceed it is not taken, unless nothing waits. */
const KEYS_WAITING = 10_000;

const READ = `
  select wanted.place::int, row.event_ts, row.data, row.codec
  from unnest($1::text[], $2::text[]) with ordinality as wanted(view, key, place)
  join feature_view on feature_view.name = wanted.view
  join feature_online as row on row.view_id = feature_view.id and row.entity_key = wanted.key`;

/**
 * Gathers concurrent reads into few statements. A read goes at once while fewer than 3 statements are in flight; later ones
 * gather, and go together when one of these ends, so the more there are, the more each statement answers. A read is never
 * split: it is in exactly one statement.
 */
export class SharedReads {
  private readonly pause: ReadPause;
  private readonly waiting = new Set<WaitingRead>();
  private keysWaiting = 0;
  private inFlight = 0;

  constructor(
    private readonly pool: Queryable,
    clock: Clock,
  ) {
    this.pause = new ReadPause(clock);
  }

  /** Asks for rows, in a statement of its own or with others. */
  ask(references: NamedReferences): AskedRead {
    const isTooMuch = this.waiting.size > 0 && this.keysWaiting + references.size > KEYS_WAITING;
    if (isTooMuch || this.pause.isOn) return { found: Promise.resolve(undefined), leave: () => {} };
    const read: WaitingRead = { references, outcome: Promise.withResolvers() };
    this.waiting.add(read);
    this.keysWaiting += references.size;
    this.sendNext();
    return { found: read.outcome.promise, leave: () => this.remove(read) };
  }

  private remove(read: WaitingRead): void {
    if (this.waiting.delete(read)) this.keysWaiting -= read.references.size;
  }

  private sendNext(): void {
    if (this.inFlight >= STATEMENTS_IN_FLIGHT || this.waiting.size === 0) return;
    this.inFlight++;
    void this.send(this.take()).finally(() => {
      this.inFlight--;
      this.sendNext();
    });
  }

  /** The reads that waited longest, as many as fit one statement; at least one. */
  private take(): readonly WaitingRead[] {
    const taken: WaitingRead[] = [];
    let keys = 0;
    for (const read of this.waiting) {
      keys += read.references.size;
      if (taken.length > 0 && keys > KEYS_AT_ONCE) break;
      taken.push(read);
      this.remove(read);
    }
    return taken;
  }

  /** Runs one statement for all of these reads; never rejects. */
  private async send(reads: readonly WaitingRead[]): Promise<void> {
    try {
      const found = await this.query(new Map(reads.flatMap(({ references }) => [...references])));
      this.pause.succeed();
      for (const { outcome } of reads) outcome.resolve(found);
    } catch (fault) {
      const isAway = isQuaysideError(fault) && fault.code === 'database_unavailable';
      if (isAway) this.fail();
      for (const { outcome } of reads) {
        if (isAway) outcome.resolve(undefined);
        else outcome.reject(fault);
      }
    }
  }

  private async query(references: NamedReferences): Promise<FoundRows> {
    const names = [...references.keys()];
    const wanted = [...references.values()];
    const params = [wanted.map(({ view }) => view), wanted.map(({ key }) => key)];
    const { rows } = await this.pool.query<OnlineRow>(READ, params);
    return new Map(rows.map((row) => [names[row.place - 1] ?? '', row]));
  }

  /** A pause that begins is one for whatever waits, too. */
  private fail(): void {
    this.pause.fail();
    if (!this.pause.isOn) return;
    for (const read of this.waiting) {
      this.remove(read);
      read.outcome.resolve(undefined);
    }
  }
}
