import { readFileSync, readdirSync } from 'node:fs';

/** The process ids of the children of a process that have `word` in their command line, from /proc. */
export function childrenOf(parentPid: number, word: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => parentOf(pid) === parentPid && commandOf(pid).includes(word));
}

/** Whether the process exists and is no zombie. */
export function isAlive(pid: number): boolean {
  return !['', 'Z', 'X'].includes(statOf(pid)[0] ?? '');
}

function parentOf(pid: number): number {
  return Number(statOf(pid)[1]);
}

/** User and system time, in clock ticks: fields 14 and 15 of proc(5). */
export function ticksOf(pid: number): number {
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
