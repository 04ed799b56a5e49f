import { readFileSync, readdirSync } from 'node:fs';

/** The process ids of a server's executors, from /proc: its children with `executor` in their command line. */
export function executorsOf(serverPid: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === serverPid && commandOf(pid).includes('executor'));
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

/** Whether the process exists and is no zombie. */
export function isAlive(pid: number): boolean {
  return !['', 'Z', 'X'].includes(statOf(pid)[0] ?? '');
}

function parentOf(pid: number): number {
  return Number(statOf(pid)[1]);
}

/** User and system time, in clock ticks: fields 14 and 15 of proc(5). */
function ticksOf(pid: number): number {
  const fields = statOf(pid);
  return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
}

/** `/proc/<pid>/stat` from its third field on: a name in brackets, which may hold anything, stands before. */
function statOf(pid: number): readonly string[] {
  const text = readProc(pid, 'stat');
  return text === '' ? [] : text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function commandOf(pid: number): string {
  return readProc(pid, 'cmdline');
}

/** Empty once the process is gone. */
function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
