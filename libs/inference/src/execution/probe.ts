import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Timer } from '@app/core';
import type { ModelVersion } from '@app/model-registry';
import type { BatchVerdict } from '../tasks/batch-check';
import { type StartChild, memoryOf } from './child-process';
import type { ExecutorTimings } from './executor-options';
import { Slot } from './slot';
import { SlotDeath, loadFailure } from './slot-death';
import { SlotState } from './slot-state';

/** What is known of a version that opened well once, with this engine on this kind of machine. */
export interface Verdict {
  /** How much memory one copy took, in bytes. */
  readonly residentBytes: number;
  /** Whether its rows may run together. */
  readonly batching: BatchVerdict;
}

/** What probing needs. */
export interface ProberOptions {
  readonly start: StartChild;
  readonly clock: Clock;
  readonly timings: ExecutorTimings;
  /** Where verdicts are kept; created if missing. */
  readonly directory: string;
  /** A version that needs more memory at its highest is refused. */
  readonly processLimitBytes: number;
  readonly log: (line: string) => void;
}

/**
 * Opens versions that were never seen in a process of their own, which is thrown away: a file that crashes, hangs or
 * lies costs nothing else. That a version opened well is kept on disk, under its digest, the engine's version and the
 * architecture. That it failed is not: the next trial may find it repaired.
 */
export class Prober {
  private readonly running = new Set<Slot>();

  constructor(private readonly options: ProberOptions) {}

  /** What an earlier probe found, if there was one. */
  async find(version: ModelVersion, engine: string): Promise<Verdict | undefined> {
    try {
      const kept = JSON.parse(await readFile(this.pathOf(version, engine), 'utf8')) as Verdict;
      const { batchable, reason } = kept.batching;
      const isWhole =
        Number.isFinite(kept.residentBytes) && typeof batchable === 'boolean' && typeof reason === 'string';
      return isWhole ? kept : undefined;
    } catch {
      return undefined;
    }
  }

  /** Loads the version in a throwaway process and runs it a few times. Throws model_load_failed. */
  async probe(version: ModelVersion, engine: string): Promise<Verdict> {
    const slot = await this.startSlot();
    const watch = this.watchMemory(slot);
    try {
      // It may have died before this line had its turn.
      if (slot.state !== SlotState.Idle) throw new SlotDeath('crashed');
      const { residentBytes, batching } = await slot.load(version, { probe: true });
      if (!batching) throw new SlotDeath('broken_stream');
      if (memoryOf(slot.pid).peakBytes > this.options.processLimitBytes) throw new SlotDeath('memory');
      await this.keep(this.pathOf(version, engine), { residentBytes, batching });
      return { residentBytes, batching };
    } catch (error) {
      throw loadFailure(error);
    } finally {
      watch.cancel();
      slot.kill('replaced');
    }
  }

  /** Ends the probes that are under way; they fail. */
  close(): void {
    for (const slot of this.running) slot.kill('replaced');
  }

  private startSlot(): Promise<Slot> {
    const { start, clock, timings, log } = this.options;
    return new Promise((resolve, reject) => {
      const slot = new Slot({
        start,
        clock,
        timings,
        events: {
          onIdle: resolve,
          onDeath: (dead, cause) => {
            this.running.delete(dead);
            reject(loadFailure(new SlotDeath(cause)));
          },
          onDebug: log,
        },
      });
      this.running.add(slot);
    });
  }

  private watchMemory(slot: Slot): Timer {
    const { clock, timings, processLimitBytes } = this.options;
    const next = (): Timer =>
      clock.setTimer(timings.memoryEveryMs, () => {
        if (memoryOf(slot.pid).rssBytes > processLimitBytes) slot.kill('memory');
        timer = next();
      });
    let timer = next();
    return { cancel: () => timer.cancel() };
  }

  private pathOf({ digest }: ModelVersion, engine: string): string {
    return join(this.options.directory, `${digest}-ort-${engine}-${process.arch}.json`);
  }

  /** A verdict that cannot be kept costs another probe after the next start, no more. */
  private async keep(path: string, verdict: Verdict): Promise<void> {
    try {
      await mkdir(this.options.directory, { recursive: true });
      await writeFile(`${path}.${process.pid}`, JSON.stringify(verdict));
      await rename(`${path}.${process.pid}`, path);
    } catch (error) {
      this.options.log(`a probe's verdict could not be kept: ${String(error)}`);
    }
  }
}
