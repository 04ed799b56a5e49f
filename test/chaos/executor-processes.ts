import { childrenOf, ticksOf } from '../e2e/processes';

export { isAlive } from '../e2e/processes';

/** The process ids of a server's executors, from /proc: its children with `executor` in their command line. */
export function executorsOf(serverPid: number): readonly number[] {
  return childrenOf(serverPid, 'executor');
}

/** Those of them that have burnt CPU since the last call with the same `seen`, the busiest first. */
export function busiestOf(pids: readonly number[], seen: Map<number, number>): readonly number[] {
  const burnt = pids.map((pid) => ({ pid, ticks: ticksOf(pid) - (seen.get(pid) ?? 0) }));
  for (const { pid } of burnt) seen.set(pid, ticksOf(pid));
  return burnt
    .filter(({ ticks }) => ticks > 0)
    .sort((a, b) => b.ticks - a.ticks)
    .map(({ pid }) => pid);
}
