/** A version in memory, or on its way there. */
export interface Resident {
  readonly key: string;
  readonly model: string;
  /** Memory of all its copies; before the first is loaded, what it is expected to take. */
  readonly bytes: number;
  readonly pinned: boolean;
  /** Grows with each use, over all versions. */
  readonly lastUse: number;
  /** Something of it runs, waits or loads: it must stay. */
  readonly busy: boolean;
}

/** What may be in memory at once. */
export interface ResidencyLimits {
  readonly maxCached: number;
  readonly budgetBytes: number;
}

/** A version that is to come in. */
export interface Newcomer {
  readonly model: string;
  readonly bytes: number;
}

/** Which versions must go before another may come, or why it may not. */
export type RoomPlan =
  | { readonly room: 'yes'; readonly evict: readonly string[] }
  /** Not now: what would have to go is pinned or busy. */
  | { readonly room: 'later' }
  /** Never: it is larger than the whole budget. */
  | { readonly room: 'never' };

/**
 * Decides who goes so that a version can come in: least recently used first, none that is pinned or busy. Another version
 * of a model that is resident may exceed the count by one, because the old one goes as soon as the new one serves; the
 * bytes are never exceeded.
 */
export function planRoom(residents: readonly Resident[], newcomer: Newcomer, limits: ResidencyLimits): RoomPlan {
  if (newcomer.bytes > limits.budgetBytes) return { room: 'never' };
  const isReplacement = residents.some((resident) => resident.model === newcomer.model);
  const victims = residents.filter(({ pinned, busy }) => !pinned && !busy).sort((a, b) => a.lastUse - b.lastUse);
  let count = residents.length + 1 - (isReplacement ? 1 : 0);
  let bytes = residents.reduce((sum, resident) => sum + resident.bytes, newcomer.bytes);
  const evict: string[] = [];
  while (count > limits.maxCached || bytes > limits.budgetBytes) {
    const victim = victims.shift();
    if (!victim) return { room: 'later' };
    evict.push(victim.key);
    count -= 1;
    bytes -= victim.bytes;
  }
  return { room: 'yes', evict };
}

/** What a version is expected to take before it was ever loaded: weights in the graph exist twice for a moment. */
export function expectedBytes(files: readonly { readonly path: string; readonly sizeBytes: number }[]): number {
  return files.reduce((sum, { path, sizeBytes }) => sum + (path.endsWith('.onnx') ? 2 : 1) * sizeBytes, 0);
}
