import { readdir } from 'node:fs/promises';
import type { Dtype, Tensor } from '@app/core';
import { type ModelVersion, versionKey } from '@app/model-registry';
import { eventually, tiny } from '@app/testing';
import { PoolHarness, floats, integer, numbersOf } from './execution-harness';

const ENDLESS = 1e9;

const BYTES_BY_DTYPE: readonly (readonly [Dtype, Uint8Array])[] = [
  ['BOOL', Uint8Array.of(1, 0)],
  ['INT8', new Uint8Array(Int8Array.of(-128, 127).buffer)],
  ['INT16', new Uint8Array(Int16Array.of(-32768, 32767).buffer)],
  ['INT32', new Uint8Array(Int32Array.of(-(2 ** 31), 2 ** 31 - 1).buffer)],
  ['INT64', new Uint8Array(BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n).buffer)],
  ['UINT8', Uint8Array.of(0, 255)],
  ['UINT16', new Uint8Array(Uint16Array.of(0, 65535).buffer)],
  ['UINT32', new Uint8Array(Uint32Array.of(0, 2 ** 32 - 1).buffer)],
  ['UINT64', new Uint8Array(BigUint64Array.of(0n, 2n ** 64n - 1n).buffer)],
  ['FP16', new Uint8Array(Uint16Array.of(0x8000, 0x3c01).buffer)],
  ['FP32', new Uint8Array(Float32Array.of(-0, 1e-45).buffer)],
  ['FP64', new Uint8Array(Float64Array.of(-0, 5e-324).buffer)],
];

describe('batches on executors', () => {
  it.each(BYTES_BY_DTYPE)('gives the bits of %s back as they came', async (dtype, bytes) => {
    await using pool = await PoolHarness.start();
    const version = await pool.write('same', tiny.identity(dtype, ['rows', 1]));
    const x: Tensor = { dtype, shape: [2, 1], bytes };
    const { outputs } = await pool.run(version, { x });
    expect(outputs[0]['y']).toEqual(x);
  });

  it('gives texts back, empty ones and all of Unicode', async () => {
    await using pool = await PoolHarness.start();
    const version = await pool.write('same', tiny.identity('BYTES', ['rows', 1]));
    const utf8 = Buffer.from('grüße 👋');
    const bytes = Uint8Array.of(0, 0, 0, 0, utf8.byteLength, 0, 0, 0, ...utf8);
    const { outputs } = await pool.run(version, { x: { dtype: 'BYTES', shape: [2, 1], bytes } });
    expect([...outputs[0]['y'].bytes]).toEqual([...bytes]);
  });

  it('gives the tensors of a model that also has other outputs', async () => {
    await using pool = await PoolHarness.start();
    const version = await pool.write('zipmap', tiny.zipmap());
    const { outputs } = await pool.run(version, { x: floats([1, 2], 2) });
    expect(Object.keys(outputs[0])).toEqual(['label']);
  });

  it('reads weights that stand in a file of their own', async () => {
    await using pool = await PoolHarness.start();
    const version = await pool.write('external', tiny.externalData());
    const { outputs } = await pool.run(version, { x: floats([0, 0, 0, 0]) });
    expect(numbersOf(outputs[0]['y'])).toEqual([1, 2, 3, 4]);
  });

  it('carries an answer of many megabytes', async () => {
    await using pool = await PoolHarness.start();
    const version = await pool.write('big', tiny.bigOutput(5_000_000));
    const { outputs } = await pool.run(version, { x: floats([3]) });
    expect(outputs[0]['y']).toMatchObject({ shape: [1, 5_000_000] });
    expect(numbersOf(outputs[0]['y']).every((value) => value === 3)).toBe(true);
  });

  it('refuses inputs that do not fit, though nobody checked them before, with a code of the catalogue', async () => {
    await using pool = await PoolHarness.start();
    const version = await pool.write('add', tiny.add());
    const two = floats([1, 2], 2);
    const whole: Tensor = { dtype: 'INT64', shape: [1, 2], bytes: new Uint8Array(16) };
    await expect(pool.run(version, { a: two, b: floats([1, 2, 3], 3) })).rejects.toMatchObject({
      code: 'invalid_input',
    });
    await expect(pool.run(version, { a: two, b: whole })).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(pool.run(version, { a: two })).rejects.toMatchObject({ code: 'invalid_input' });
  });

  it('never holds up one model for another whose processes are busy', async () => {
    await using pool = await PoolHarness.start({ concurrency: 2 });
    const slow = await pool.write('slow', tiny.slow(), { execution: { instances: 1 } });
    const quick = await pool.write('quick', tiny.identity('FP32', ['rows', 1]));
    await pool.executor.load(quick);
    const client = new AbortController();
    const begun = Promise.withResolvers<void>();
    const endless = { trips: integer(ENDLESS) };
    const stuck = [1, 2, 3].map(() =>
      pool.run(slow, endless, { signal: client.signal, onStart: () => begun.resolve() }),
    );
    await Promise.race([begun.promise, ...stuck]);
    const { outputs } = await pool.run(quick, { x: floats([9]) });
    expect(numbersOf(outputs[0]['y'])).toEqual([9]);
    expect(pool.executor.status()).toMatchObject({ running: 1, waiting: 2 });
    client.abort();
    for (const run of stuck) await expect(run).rejects.toMatchObject({ code: 'client_closed' });
  });

  it('begins no more batches at once than it may, counting a thread as one', async () => {
    await using pool = await PoolHarness.start({ concurrency: 2 });
    const single = await pool.write('single', tiny.slow(), { execution: { instances: 2 } });
    const double = await pool.write('double', tiny.slow(), { execution: { threads: 2, instances: 2 } });
    await Promise.all([pool.executor.load(single), pool.executor.load(double)]);
    const needs = new Map([
      [versionKey(single), 1],
      [versionKey(double), 2],
    ]);
    const taken = (): number => pool.slotsIn('busy').reduce((sum, { doing }) => sum + needs.get(doing!)!, 0);
    let most = 0;
    const run = async (version: ModelVersion): Promise<void> => {
      // The process that will run this batch is not busy yet.
      const onStart = (): void => void (most = Math.max(most, taken() + needs.get(versionKey(version))!));
      await pool.run(version, { trips: integer(500) }, { onStart });
    };
    await Promise.all(Array.from({ length: 40 }, (_, at) => run(at % 2 === 0 ? single : double)));
    expect(most).toBe(2);
  });

  it('puts a second copy of a busy model into an idle process, and runs both at once', async () => {
    await using pool = await PoolHarness.start({ concurrency: 2 });
    const slow = await pool.write('slow', tiny.slow());
    await pool.executor.load(slow);
    const client = new AbortController();
    const runs = [1, 2].map(() => pool.run(slow, { trips: integer(ENDLESS) }, { signal: client.signal }));
    await eventually(() => pool.executor.status().running === 2);
    expect(pool.slotsIn('busy').map(({ doing }) => doing)).toEqual(Array(2).fill(pool.slotsIn('busy')[0].doing));
    client.abort();
    for (const run of runs) await expect(run).rejects.toMatchObject({ code: 'client_closed' });
  });

  it('starts no thread of the engine unless the model asks for it', async () => {
    await using pool = await PoolHarness.start({ concurrency: 2 });
    const threads = async (version: ModelVersion): Promise<number> => {
      await pool.run(version, { trips: integer(1) });
      const { pid } = pool.executor.status().slots.find(({ holds }) => holds.length > 0)!;
      const count = (await readdir(`/proc/${pid}/task`)).length;
      await pool.executor.unload(version);
      return count;
    };
    const single = await pool.write('single', tiny.slow(), { execution: { instances: 1 } });
    const double = await pool.write('double', tiny.slow(), { execution: { threads: 2, instances: 1 } });
    const [one, two] = [await threads(single), await threads(double)];
    expect(two).toBe(one + 1);
  });
});
