import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually, temporaryDirectory, tiny, versionIn, writeModel } from '@app/testing';
import { PoolHarness, integer, integerOf, signalBusy } from './execution-harness';

describe('the walls around an executor', () => {
  const anIdlePid = async (pool: PoolHarness): Promise<number> => {
    const [slot] = await eventually(() => pool.slotsIn('idle').length > 0 && pool.slotsIn('idle'));
    return slot.pid!;
  };

  it('gives it an environment that is made from nothing', async () => {
    await using pool = await PoolHarness.start({
      environment: { NODE_ENV: 'production', TZ: 'UTC', LD_LIBRARY_PATH: '/opt/lib' },
    });
    const environment = await readFile(`/proc/${await anIdlePid(pool)}/environ`, 'utf8');
    expect(environment.split('\0').filter(Boolean).sort()).toEqual([
      'LD_LIBRARY_PATH=/opt/lib',
      'MALLOC_TRIM_THRESHOLD_=131072',
      'NODE_ENV=production',
      'ORT_INTER_OP_NUM_THREADS=1',
      'ORT_INTRA_OP_NUM_THREADS=1',
      'TZ=UTC',
    ]);
  });

  it('leaves variables out that are not set', async () => {
    await using pool = await PoolHarness.start();
    const environment = await readFile(`/proc/${await anIdlePid(pool)}/environ`, 'utf8');
    expect(environment.split('\0').filter(Boolean)).toHaveLength(3);
  });

  it('has executor in its command line, and is the first to go when memory runs out', async () => {
    await using pool = await PoolHarness.start();
    const pid = await anIdlePid(pool);
    await expect(readFile(`/proc/${pid}/cmdline`, 'utf8')).resolves.toContain('executor');
    await eventually(async () => (await readFile(`/proc/${pid}/oom_score_adj`, 'utf8')).trim() === '500');
  });

  it('cannot read a file outside the application and the models', async () => {
    await using pool = await PoolHarness.start();
    const outside = await temporaryDirectory();
    const version = versionIn(await writeModel(outside, { name: 'outside', model: tiny.identity('FP32') }));
    await expect(pool.executor.load(version)).rejects.toMatchObject({ code: 'model_load_failed' });
    expect(pool.lines.join('\n')).toContain('has been restricted');
  });

  it('cannot read a file that is named beside the models by a path that leads out', async () => {
    await using pool = await PoolHarness.start();
    const version = await pool.write('escapes', tiny.externalData('../../../secret.bin'));
    await writeFile(join(pool.directory, 'secret.bin'), new Uint8Array(16));
    await expect(pool.executor.load(version)).rejects.toMatchObject({ code: 'model_load_failed' });
  });

  it('runs on through the signals that a terminal or a service manager sends to the whole group', async () => {
    await using pool = await PoolHarness.start();
    const slow = await pool.write('slow', tiny.slow());
    const onStart = jest.fn(() => {
      setImmediate(() => (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).forEach((signal) => signalBusy(pool, signal)));
    });
    const { outputs } = await pool.run(slow, { trips: integer(20_000) }, { onStart });
    expect(integerOf(outputs[0]['done'])).toBe(20_000);
    expect(onStart).toHaveBeenCalledTimes(1);
    expect(pool.executor.status().restarts).toBe(0);
  });

  it('tells a caller nothing of the engine, its words or the paths of files', async () => {
    await using pool = await PoolHarness.start();
    const failing = await pool.write('failing', tiny.failsOnInput());
    const error = await pool.run(failing, { index: integer(99) }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'inference_failed', message: 'The model failed on this input.' });
    expect(pool.lines.join('\n')).toMatch(/out of (data )?bounds|indices element/i);
  });
});
