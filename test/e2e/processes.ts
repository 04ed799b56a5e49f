import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '@app/testing';

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

/** The process id of the PostgreSQL of a data folder; undefined when none runs. */
export function postmasterOf(dataDirectory: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(join(dataDirectory, 'postgres/cluster/postmaster.pid'), 'utf8'), 10);
    return isAlive(pid) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** A PostgreSQL and all of its processes. */
export function postgresProcesses(postmaster: number): readonly number[] {
  return [postmaster, ...childrenOf(postmaster, '')];
}

/** Ends the PostgreSQL of a data folder, whatever state it is in. */
export async function killPostmaster(dataDirectory: string): Promise<void> {
  const pid = postmasterOf(dataDirectory);
  if (pid === undefined) return;
  for (const each of postgresProcesses(pid)) signalIfAlive(each, 'SIGCONT');
  signalIfAlive(pid, 'SIGQUIT');
  await eventually(() => !isAlive(pid));
}

/** A process may end between being listed and being signalled. */
function signalIfAlive(pid: number, name: NodeJS.Signals): void {
  if (isAlive(pid)) process.kill(pid, name);
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

/** How far a process gives way to others: the nice value, field 19 of proc(5). */
export function niceOf(pid: number): number {
  return Number(statOf(pid)[16]);
}
