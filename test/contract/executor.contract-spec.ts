import { ChildProcessExecutor } from '@app/inference';
import { FakeExecutor, aModelVersion, tiny } from '@app/testing';
import { PoolHarness, floats, integer } from '../integration/execution-harness';
import { type ExecutorSubject, describeExecutor } from './executor.contract';

/** Loop trips that last for about half a second: long enough to be caught, short enough to be waited for. */
const TRIPS = 30_000;

async function fakeSubject(): Promise<ExecutorSubject> {
  const executor = new FakeExecutor();
  const signature = {
    inputs: [{ name: 'x', dtype: 'FP32', shape: ['rows', 2] }],
    outputs: [{ name: 'y', dtype: 'FP32', shape: ['rows', 2] }],
  } as const;
  const lasting = aModelVersion({ model: 'lasting', signature });
  return {
    executor,
    identity: aModelVersion({ model: 'identity', signature }),
    other: aModelVersion({ model: 'other', signature }),
    broken: aModelVersion({ model: 'broken', signature }),
    failing: aModelVersion({ model: 'failing', signature }),
    goodInput: { x: floats([1, 2]) },
    badInput: { x: floats([3, 4]) },
    lasting,
    lastingInput: { x: floats([5, 6]) },
    endless: lasting,
    endlessInput: { x: floats([7, 8]) },
    hold: () => void executor.hang(),
    finish: () => executor.release(),
    crash: () => executor.crash(),
    expire: () => executor.expire(),
    breakLoads: () => void executor.failLoad('model_load_failed'),
    breakRuns: () => void executor.fail('inference_failed'),
    healRuns: () => void executor.recover(),
    [Symbol.asyncDispose]: async () => {
      executor.release();
      await executor.close();
    },
  };
}

async function realSubject(): Promise<ExecutorSubject> {
  const pool = await PoolHarness.start({ timings: { respawnMs: [0] } });
  const busy = (): number[] => pool.slotsIn('busy').flatMap(({ pid }) => pid ?? []);
  return {
    executor: pool.executor,
    identity: await pool.write('identity', tiny.identity('FP32', ['rows', 2])),
    other: await pool.write('other', tiny.identity('FP32', ['rows', 2])),
    broken: await pool.writeBytes('broken', Buffer.from('not an ONNX file')),
    failing: await pool.write('failing', tiny.failsOnInput()),
    goodInput: { index: integer(1) },
    badInput: { index: integer(99) },
    lasting: await pool.write('lasting', tiny.slow()),
    lastingInput: { trips: integer(TRIPS) },
    endless: await pool.write('endless', tiny.slow(), { execution: { hardTimeoutMs: 300 } }),
    endlessInput: { trips: integer(1e9) },
    hold: () => {},
    finish: () => {},
    crash: () => busy().forEach((pid) => process.kill(pid, 'SIGKILL')),
    expire: () => {},
    breakLoads: () => {},
    breakRuns: () => {},
    healRuns: () => {},
    [Symbol.asyncDispose]: () => pool.close(),
  };
}

describeExecutor(FakeExecutor.name, fakeSubject);
describeExecutor(ChildProcessExecutor.name, realSubject);
