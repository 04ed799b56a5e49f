import { spawn } from 'node:child_process';
import { appendFile, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DTYPES } from '@app/core';
import { type TinyModel, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { loadError, runError } from '../../libs/inference/src/execution/native-errors';

/**
 * What onnxruntime-node 1.30 really does, as far as Quayside is built around it. An upgrade shows here what changed; a
 * red line is a decision to take, not a line to adapt. Each experiment runs in a process of its own, since several end
 * it, and Jest never loads the engine.
 */

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
}

interface Refusal {
  readonly text: string;
  readonly code?: string;
}

const MB = 1_000_000;
const EXPERIMENT = join(__dirname, 'onnxruntime', 'experiment.cjs');

let models: string;

beforeAll(async () => {
  models = await temporaryDirectory();
  const write = (name: string, model: TinyModel) => writeModel(models, { name, model });
  await write('adds', tiny.adds(3));
  await write('slow', tiny.slow());
  await write('zipmap', tiny.zipmap());
  await write('fails-on-input', tiny.failsOnInput());
  await write('unnamed-dimensions', tiny.identity('FP32', ['', '']));
  await write('large', tiny.large());
});

/** Runs one experiment in a new process and waits for its end. */
async function run(experiment: string, argument = '', env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const child = spawn(process.execPath, [EXPERIMENT, models, experiment, argument], {
    env,
    cwd: models,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  return new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal, stdout })));
}

/** What an experiment saw; it has to end well. */
async function see<T>(experiment: string, argument?: string, env?: Readonly<Record<string, string>>): Promise<T> {
  const { code, signal, stdout } = await run(experiment, argument, env);
  expect({ experiment, code, signal }).toEqual({ experiment, code: 0, signal: null });
  return JSON.parse(stdout) as T;
}

describe('onnxruntime-node', () => {
  it('is 1.30.0, with one onnxruntime-common of the same version', async () => {
    await expect(see('versions')).resolves.toEqual({ node: '1.30.0', common: '1.30.0' });
  });

  describe('blocks its thread', () => {
    it.each(['run blocks', 'concurrent runs block', 'create blocks'])(
      'so that no timer fires: %s',
      async (experiment) => {
        const { ticks, ms } = await see<{ ticks: number; ms: number }>(experiment);
        // Some are due just before the native call begins; an asynchronous engine would let about one a millisecond through.
        expect(ticks).toBeLessThan(ms / 10);
      },
    );

    it('and aborts the whole process when a thread ends in mid-run', async () => {
      const { code, signal, stdout } = await run('a thread ends in mid-run');
      expect(signal ?? code).toBe('SIGABRT');
      expect(stdout).toBe('');
    });

    it('and ignores the run option terminate', async () => {
      await expect(see('terminate is asked for')).resolves.toBe(1000);
    });
  });

  describe('values', () => {
    /** What ONNX Runtime takes from JavaScript. */
    const SERVED = DTYPES.filter((dtype) => dtype !== 'BF16');

    beforeAll(async () => {
      for (const dtype of [...SERVED, 'BF16', 'INT4', 'UINT4'] as const) {
        await writeModel(models, { name: `identity-${dtype}`, model: tiny.identity(dtype) });
      }
    });

    it('refuses float16 made through Tensor', async () => {
      await expect(see<Refusal>('float16 as a Tensor')).resolves.toMatchObject({ text: expect.any(String) });
    });

    it('takes float16 as the bits of a plain object, and gives a Float16Array', async () => {
      await expect(see('float16 as a plain object')).resolves.toEqual({ kind: 'Float16Array', bits: [0x3c00, 0x8000] });
    });

    it('carries every other dtype to the bit, as plain objects', async () => {
      const seen = await see<Record<string, { same: boolean; dims: number[]; type: string }>>('round trip');
      expect(Object.keys(seen)).toHaveLength(SERVED.length - 1);
      for (const [type, result] of Object.entries(seen)) expect(result).toEqual({ same: true, dims: [1, 2], type });
    });

    it('takes a view that begins inside its buffer', async () => {
      await expect(see('a view with an offset')).resolves.toEqual([11, 12]);
    });

    it.each(['BF16', 'INT4', 'UINT4'])('does not open a model with %s as input or output', async (dtype) => {
      const refusal = await see<Refusal>('open by path', `identity-${dtype}`);
      expect(loadError(new Error(refusal.text)).message).toMatch(/element type|operator/);
    });

    it('lists map outputs as no tensors, fails to fetch them, and gives the others when they are named', async () => {
      await expect(see('map outputs')).resolves.toMatchObject({
        outputs: [
          { name: 'label', isTensor: true },
          { name: 'probabilities', isTensor: false },
        ],
        everything: { text: 'Non tensor type is temporarily not supported.' },
        label: 1,
      });
    });
  });

  it('tells unnamed dimensions as empty strings, and nothing of producer, opset or metadata_props', async () => {
    const { inputs, keys } = await see<{ inputs: { shape: unknown }[]; keys: string[] }>('metadata');
    expect(inputs[0]?.shape).toEqual(['', '']);
    expect(keys).toEqual(['handler']);
  });

  it('ignores feeds that the model does not have', async () => {
    await expect(see('extra feeds')).resolves.toBe(4);
  });

  it('ignores options that it does not know, and freeDimensionOverrides', async () => {
    await expect(see('unknown options')).resolves.toEqual({ shape: ['rows', 1], answers: [4, 5] });
  });

  it('refuses runs by a text alone, which the patterns know', async () => {
    const refusals = await see<Record<string, Refusal>>('refused runs');
    const codes = Object.entries(refusals).map(([what, { text }]) => [what, runError(new Error(text)).code]);
    expect(Object.values(refusals).every(({ code }) => code === undefined)).toBe(true);
    expect(Object.fromEntries(codes)).toEqual({
      'missing input': 'invalid_input',
      'wrong rank': 'invalid_input',
      'wrong dimension': 'invalid_input',
      'wrong type': 'invalid_input',
      'unknown output': 'invalid_input',
      'bad value': 'inference_failed',
    });
  });

  describe('threads', () => {
    it('are a pool per session, of one less than intraOpNumThreads', async () => {
      await expect(see('threads')).resolves.toEqual({ one: 0, three: 2, threeAgain: 2 });
    });

    it('are none by default when ORT_INTRA_OP_NUM_THREADS is 1', async () => {
      await expect(see('default threads', '', { ORT_INTRA_OP_NUM_THREADS: '1' })).resolves.toBe(0);
    });
  });

  describe('external data', () => {
    beforeAll(async () => {
      const write = (name: string, location?: string) =>
        writeModel(models, { name, model: tiny.externalData(location) });
      await writeFile(join(models, 'outside.bin'), new Uint8Array(16));
      await write('beside');
      await write('parent', '../../outside.bin');
      await write('absolute', join(models, 'outside.bin'));
      await symlink('../../outside.bin', join(await write('link', 'link.bin'), 'link.bin'));
      await write('missing', 'gone.bin');
    });

    it('is read from the folder of the model', async () => {
      await expect(see('add external data', 'beside')).resolves.toEqual([1, 2, 3, 4]);
    });

    it.each(['parent', 'absolute', 'link', 'missing'])('is refused by path: %s', async (name) => {
      const { text } = await see<Refusal>('open by path', name);
      expect(loadError(new Error(text)).message).toBe(EXTERNAL_DATA_MESSAGE);
    });

    it.each(['beside', 'parent', 'absolute', 'link'])('is refused by bytes, also the honest one: %s', async (name) => {
      const { text } = await see<Refusal>('open by bytes', name);
      expect(loadError(new Error(text)).message).toBe(EXTERNAL_DATA_MESSAGE);
    });
  });

  describe('damaged files', () => {
    beforeAll(async () => {
      const copy = async (name: string) => join(await writeModel(models, { name, model: tiny.adds(1) }), 'model.onnx');
      const truncated = await copy('truncated');
      await truncate(truncated, (await readFile(truncated)).length / 2);
      await writeFile(await copy('empty'), '');
      // A fixed stream, so that a failure can be repeated.
      const random = Uint8Array.from({ length: 4096 }, (_, at) => Math.imul(at + 1, 2654435761) >>> 24);
      await writeFile(await copy('random'), random);
      await appendFile(await copy('trailing'), random);
    });

    it.each(['truncated', 'empty', 'random', 'trailing'])(
      'give an error and no crash, by path and by bytes: %s',
      async (name) => {
        for (const way of ['open by path', 'open by bytes']) {
          const refusal = await see<Refusal>(way, name);
          expect(refusal.text).not.toBe('');
        }
      },
    );
  });

  describe('memory of a released session', () => {
    it('stays with the process by default', async () => {
      const { loaded, released } = await see<{ loaded: number; released: number }>('memory after release');
      expect(loaded).toBeGreaterThan(90 * MB);
      expect(released).toBeGreaterThan(60 * MB);
    });

    it('goes back to the system with MALLOC_TRIM_THRESHOLD_', async () => {
      const env = { MALLOC_TRIM_THRESHOLD_: '131072' };
      const { loaded, released } = await see<{ loaded: number; released: number }>('memory after release', '', env);
      expect(loaded).toBeGreaterThan(90 * MB);
      expect(released).toBeLessThan(30 * MB);
    });
  });
});

const EXTERNAL_DATA_MESSAGE = loadError(new Error('External data')).message;
