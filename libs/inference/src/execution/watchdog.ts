import { workerData } from 'node:worker_threads';

/**
 * Kills its own process when the parent is gone. It runs in a thread of its own, because the main thread of an executor
 * sees nothing while the engine runs, and a run can last for minutes. SIGKILL, because any other end of a process whose
 * main thread is inside the engine aborts it with a core dump.
 */
const { parentPid, everyMs } = workerData as { readonly parentPid: number; readonly everyMs: number };

setInterval(() => {
  if (process.ppid !== parentPid) process.kill(process.pid, 'SIGKILL');
}, everyMs);
