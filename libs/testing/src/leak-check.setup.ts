import { enterTest, leaveFile, leaveTest } from './open-resources';

/**
 * Jest's `setupFilesAfterEnv`: fails a test, or its file, that leaves something open. Builders of `@app/testing` report
 * what they open by name; beyond them, child processes and listening sockets are counted.
 */
const COUNTED = ['ProcessWrap', 'TCPServerWrap', 'PipeServerWrap'];
const GRACE_MS = 2000;

const before = countHandles();

beforeEach(enterTest);
afterEach(leaveTest);
afterAll(leaveFileClosed);

async function leaveFileClosed(): Promise<void> {
  await leaveFile();
  await refuseHandles();
}

/** Handles close a little after their promise says so: they get a grace before they count as leaks. */
async function refuseHandles(): Promise<void> {
  const giveUpAt = performance.now() + GRACE_MS;
  let left = newHandles();
  while (left.length > 0 && performance.now() < giveUpAt) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    left = newHandles();
  }
  if (left.length > 0) throw new Error(`Still open when the file ended: ${left.join(', ')}.`);
}

function newHandles(): string[] {
  const now = countHandles();
  return COUNTED.filter((kind) => (now.get(kind) ?? 0) > (before.get(kind) ?? 0)).map(
    (kind) => `${(now.get(kind) ?? 0) - (before.get(kind) ?? 0)} x ${kind}`,
  );
}

function countHandles(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}
