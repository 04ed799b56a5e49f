import { type ModelVersion, versionKey } from '@app/model-registry';
import type { Resident } from './residency';

/** A version in memory, or on its way there or back after a process died. */
export interface Entry {
  readonly version: ModelVersion;
  readonly bytesPerCopy: number;
  /** Copies that are loaded or being loaded; the first counts from the beginning. */
  copies: number;
  /** No further copy is tried before this time. */
  copyAfterMs: number;
  lastUse: number;
}

/** What is resident, what it takes and when it was last used. */
export class ResidentAccount {
  private readonly entries = new Map<string, Entry>();
  private uses = 0;

  /** Counts a version from now on, or with other bytes than before. */
  admit(version: ModelVersion, bytesPerCopy: number): void {
    const lastUse = (this.uses += 1);
    this.entries.set(versionKey(version), { version, bytesPerCopy, copies: 1, copyAfterMs: 0, lastUse });
  }

  get(key: string): Entry | undefined {
    return this.entries.get(key);
  }

  remove(key: string): void {
    this.entries.delete(key);
  }

  /** Notes that the version is used now. */
  touch(key: string): void {
    const entry = this.entries.get(key);
    if (entry) entry.lastUse = this.uses += 1;
  }

  /** Bytes of all copies of all versions. */
  get bytes(): number {
    return [...this.entries.values()].reduce((sum, entry) => sum + bytesOf(entry), 0);
  }

  /** Every version, least recently used first; `isBusy` says which must stay. */
  list(isBusy: (key: string) => boolean): readonly Resident[] {
    return [...this.entries]
      .map(([key, entry]) => ({
        key,
        model: entry.version.model,
        bytes: bytesOf(entry),
        pinned: entry.version.manifest.pinned,
        lastUse: entry.lastUse,
        busy: isBusy(key),
      }))
      .sort((a, b) => a.lastUse - b.lastUse);
  }
}

function bytesOf({ bytesPerCopy, copies }: Entry): number {
  return bytesPerCopy * Math.max(1, copies);
}
