import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Resource {
  readonly name: string;
  readonly openedInTest: boolean;
}

const open = new Set<Resource>();
const directories = new Set<string>();
let insideTest = false;

/**
 * Says that something now has to be closed: a process, a pool, a socket, an application. Whoever opens it calls the
 * given function once it is closed. What a test opens has to be closed when the test ends, what a file opens outside its
 * tests when the file ends; else the leak check fails it and names what is open.
 */
export function opened(name: string): () => void {
  const resource = { name, openedInTest: insideTest };
  open.add(resource);
  return () => void open.delete(resource);
}

/** A new empty folder; the leak check removes it when the file's tests are done. */
export async function temporaryDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'quayside-test-'));
  directories.add(path);
  return path;
}

/** For the leak check: a test begins. */
export function enterTest(): void {
  insideTest = true;
}

/** For the leak check: a test has ended. Throws when something that it opened is still open. */
export function leaveTest(): void {
  insideTest = false;
  refuseLeaks([...open].filter((resource) => resource.openedInTest));
}

/** For the leak check: the file has ended. Removes its folders. Throws when anything is still open. */
export async function leaveFile(): Promise<void> {
  await Promise.all([...directories].map((path) => rm(path, { recursive: true, force: true, maxRetries: 3 })));
  directories.clear();
  refuseLeaks([...open]);
}

function refuseLeaks(leaks: readonly Resource[]): void {
  for (const leak of leaks) open.delete(leak);
  if (leaks.length === 0) return;
  throw new Error(`Still open: ${leaks.map((leak) => leak.name).join(', ')}. Close what a test opens before it ends.`);
}
