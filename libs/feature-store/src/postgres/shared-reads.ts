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
/**
 * Keys of one statement that several reads share, before what they repeat is left out. A larger read has one of its own, and
 * of these one is in flight: it takes long, and others shall not wait for it.
 */
const KEYS_AT_ONCE = 1000;
/** Keys that wait in all; a read that would exceed it is not taken, unless nothing waits. */
const KEYS_WAITING = 10_000;

const READ = `
  select wanted.place::int, row.event_ts, row.data, row.codec
  from unnest($1::text[], $2::text[]) with ordinality as wanted(view, key, place)
  join feature_view on feature_view.name = wanted.view
  join feature_online as row on row.view_id = feature_view.id and row.entity_key = wanted.key`;

/** What values bring about, such as text that PostgreSQL cannot hold. */
const OF_DATA = /^22/;

/**
 * Gathers concurrent reads into few statements. A read goes at once while fewer than 3 statements are in flight; later ones
 * gather, and go together when one of these ends, so the more there are, the more each statement answers. A read is never
 * split. A statement that PostgreSQL refuses for what is in it is halved until the read is alone that is the reason.
 */
export class SharedReads {
  private readonly pause: ReadPause;
  private readonly waiting = new Set<WaitingRead>();
  private keysWaiting = 0;
  private inFlight = 0;
  private isLargeInFlight = false;

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
    const reads = this.take();
    if (reads.length === 0) return;
    const isLarge = reads.some(({ references }) => references.size > KEYS_AT_ONCE);
    this.inFlight++;
    if (isLarge) this.isLargeInFlight = true;
    void this.send(reads).finally(() => {
      this.inFlight--;
      if (isLarge) this.isLargeInFlight = false;
      this.sendNext();
    });
  }

  /** The reads that waited longest, as many as fit one statement; none where only large ones wait, for another large one. */
  private take(): readonly WaitingRead[] {
    const taken: WaitingRead[] = [];
    let keys = 0;
    for (const read of this.waiting) {
      const { size } = read.references;
      if (size > KEYS_AT_ONCE && this.isLargeInFlight) continue;
      keys += size;
      if (taken.length > 0 && keys > KEYS_AT_ONCE) break;
      taken.push(read);
      this.remove(read);
    }
    return taken;
  }

  /** Answers all of these reads, with one statement where none of them is refused; never rejects. */
  private async send(reads: readonly WaitingRead[]): Promise<void> {
    try {
      const found = await this.query(new Map(reads.flatMap(({ references }) => [...references])));
      this.pause.succeed();
      for (const { outcome } of reads) outcome.resolve(found);
    } catch (fault) {
      const isAway = isQuaysideError(fault) && fault.code === 'database_unavailable';
      if (isAway) this.fail();
      else if (reads.length > 1 && isOfData(fault)) return this.sendHalves(reads);
      for (const { outcome } of reads) {
        if (isAway) outcome.resolve(undefined);
        else outcome.reject(fault);
      }
    }
  }

  private async sendHalves(reads: readonly WaitingRead[]): Promise<void> {
    const middle = Math.ceil(reads.length / 2);
    await this.send(reads.slice(0, middle));
    await this.send(reads.slice(middle));
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

function isOfData(fault: unknown): boolean {
  const { code } = Object(fault) as { readonly code?: unknown };
  return typeof code === 'string' && OF_DATA.test(code);
}
