import type { BlobStore } from '@app/blob-store';
import type { Clock } from '@app/core';
import type { Database } from '@app/database';
import type { JobQueue } from '../queue/job-queue';
import type { SharedWork } from '../records/job-upkeep';
import type { JobStore } from '../records/job-store';
import type { WebhookSender } from '../webhooks/webhook-sender';
import { assertSharedBlobs } from './blob-probe';
import { FileUpkeep } from './file-upkeep';
import { RecordUpkeep, type Repair } from './record-upkeep';
import { Rounds } from './rounds';
import { Steps } from './steps';
import type { UpkeepLog } from './upkeep-log';

/** How often a reconciler looks, and how patient it is. Times in milliseconds. */
export interface ReconcilerOptions {
  /** Between two looks. */
  readonly everyMs: number;
  /** How long a worker has a chunk without a sign of life, as the store's option says. */
  readonly leaseMs: number;
  /** How long a file is left alone that no row names: somebody may be writing or reading it. */
  readonly orphanAgeMs: number;
}

/** What a reconciler is made of. Its store's database needs two connections at least. */
export interface ReconcilerParts {
  readonly store: JobStore;
  readonly queue: Pick<JobQueue, 'add' | 'view'>;
  readonly blobs: BlobStore;
  readonly webhooks: Pick<WebhookSender, 'sendDue'>;
  readonly database: Pick<Database, 'status' | 'upForMs'>;
  readonly clock: Clock;
  readonly options: ReconcilerOptions;
  readonly log: UpkeepLog;
}

const CLOSE_WITHIN_MS = 2000;
/** A process that hangs while it reconciles must not keep all others from it. */
const MOST_REFUSALS = 2;

/**
 * Mends what crashes, lost queues and time leave behind: looks at what has fallen due in the records, at files, and at webhooks,
 * each at its own pace. One runs in every worker process; several do no harm. `idle → going → closed`.
 *
 * Leases are left alone until the database has answered for the time of one, and so after a standstill of this process: live
 * workers renew theirs first, and an outage is not counted as their crashes.
 */
export class Reconciler {
  private readonly steps: Steps;
  private readonly records: RecordUpkeep;
  private readonly files: FileUpkeep;
  private readonly rounds: readonly Rounds[];
  private readonly refusals: Record<SharedWork, number> = { records: 0, files: 0 };
  private lookedAtMs: number | undefined;
  private wokeAtMs = -Infinity;
  private isClosed = false;

  constructor(private readonly parts: ReconcilerParts) {
    const { store, queue, blobs, clock, options } = parts;
    const log: UpkeepLog = (level, line) => void (this.isClosed || parts.log(level, line));
    this.steps = new Steps(log);
    this.files = new FileUpkeep({ store, blobs, clock, orphanAgeMs: options.orphanAgeMs, log });
    this.records = new RecordUpkeep({ store, queue, forgetFiles: this.files.forget, log });
    const restMs = (): number => options.everyMs;
    this.rounds = [() => this.mendRecords(), () => this.sendWebhooks(), () => this.mendFiles()].map(
      (work) => new Rounds({ clock, restMs, work }),
    );
  }

  /** Begins to look, in the background; nothing happens while the database is not up. */
  start(): void {
    for (const each of this.rounds) each.start();
  }

  /** One look at everything. Never throws. */
  async tick(): Promise<void> {
    await Promise.all([this.mendRecords().then(() => this.mendFiles()), this.sendWebhooks()]);
  }

  /** Stops looking; resolves once what is under way has ended, or after two seconds. Safe to call twice. */
  async close(): Promise<void> {
    this.isClosed = true;
    const late = Promise.withResolvers<void>();
    const timer = this.parts.clock.setTimer(CLOSE_WITHIN_MS, late.resolve);
    const ended = Promise.all(this.rounds.map((each) => each.close())).then(() => this.files.close());
    await Promise.race([ended, late.promise]);
    timer.cancel();
  }

  private async mendRecords(): Promise<void> {
    this.noteStandstill();
    await this.shared('records', async () => {
      if (this.leasesMayBeOver()) await this.repair('leases', this.records.expireLeases);
      for (const [name, mend] of Object.entries(this.records.others)) await this.repair(name, mend);
    });
    this.lookedAtMs = this.parts.clock.epochMs();
  }

  private async mendFiles(): Promise<void> {
    await this.checkSharedFiles();
    await this.shared('files', async () => {
      await this.step('files of jobs', () => this.files.deleteForgotten());
      await this.step('orphan files', () => this.files.sweepOn());
      await this.step('probes', () => this.files.deleteGoneProbes());
    });
  }

  /** At its start a worker refuses to run without; of an API process that came later it can only tell. */
  private checkSharedFiles(): Promise<void> {
    return this.step('shared files', () => assertSharedBlobs(this.parts.store, this.parts.blobs));
  }

  private sendWebhooks(): Promise<void> {
    return this.repair('webhooks', async () => (await this.parts.webhooks.sendDue()) > 0);
  }

  /** Of several processes one does it, unless nobody seems to get to it. */
  private shared(what: SharedWork, work: () => Promise<void>): Promise<void> {
    return this.step(what, async () => {
      if (this.refusals[what] >= MOST_REFUSALS) await work();
      else if (!(await this.parts.store.upkeep.alone(what, work))) return void (this.refusals[what] += 1);
      this.refusals[what] = 0;
    });
  }

  /** Mends until there is nothing more of a kind, or it is time to look at the other kinds again. */
  private repair(name: string, mend: Repair): Promise<void> {
    const { clock, options } = this.parts;
    const untilMs = clock.monotonicMs() + options.everyMs;
    return this.step(name, async () => {
      while (this.mayGoOn() && (await mend())) if (clock.monotonicMs() >= untilMs) return;
    });
  }

  private async step(name: string, work: () => Promise<void>): Promise<void> {
    if (this.mayGoOn()) await this.steps.run(name, work);
  }

  private mayGoOn(): boolean {
    return !this.isClosed && this.parts.database.status() === 'up';
  }

  private leasesMayBeOver(): boolean {
    const { clock, database, options } = this.parts;
    return database.upForMs() >= options.leaseMs && clock.monotonicMs() - this.wokeAtMs >= options.leaseMs;
  }

  /** While this host slept, or this process was stopped, the workers beside it were so too. */
  private noteStandstill(): void {
    const { clock, options } = this.parts;
    const restedMs = clock.epochMs() - (this.lookedAtMs ?? Infinity);
    if (restedMs > options.everyMs + options.leaseMs / 2) this.wokeAtMs = clock.monotonicMs();
  }
}
