import { tensorOf } from '@app/core';
import { aModelVersion } from '@app/testing';
import * as fc from 'fast-check';
import type { TaskInput } from '../tasks/task';
import { type KeyedCall, ResultKeys } from './result-keys';

const version = aModelVersion({ model: 'iris' });

function anInput(input: Partial<TaskInput> = {}): TaskInput {
  const tensors = { x: tensorOf('FP32', [1, 2], [1, 2]) };
  return { rows: 1, splittable: true, tensors, parameters: { top_k: 5 }, outputs: ['y'], ...input };
}

function aCall(call: Partial<KeyedCall> = {}): KeyedCall {
  return { scope: 'everyone', version, input: anInput(), ...call };
}

function keyOf(call: Partial<KeyedCall> = {}, revision = 'quayside@1'): string {
  return new ResultKeys(revision).of(aCall(call))[0];
}

function texts(...values: string[]): TaskInput {
  return anInput({ rows: values.length, tensors: { text: tensorOf('BYTES', [values.length], values) } });
}

describe(ResultKeys.name, () => {
  it('makes one key of what is equal, whichever object says it and in whatever order', () => {
    const keys = new ResultKeys('quayside@1');
    const [a, b] = [tensorOf('FP32', [1], [1]), tensorOf('FP32', [1], [2])];
    const one = anInput({ tensors: { a, b }, parameters: { p: 1, q: true } });
    const other = anInput({ tensors: { b, a }, parameters: { q: true, p: 1 } });
    expect(keys.of(aCall({ input: one }))).toEqual(keys.of(aCall({ input: other, version: { ...version } })));
    expect(keyOf()).toMatch(/^[0-9a-f]{64}$/);
  });

  it.each<readonly [string, Partial<KeyedCall>]>([
    ['scope', { scope: 'tenant-2' }],
    ['model', { version: { ...version, model: 'iris2' } }],
    ['version', { version: { ...version, version: '2' } }],
    ['digest beyond its first digits', { version: { ...version, digest: `${version.digest.slice(0, 60)}0000` } }],
    ['task', { version: { ...version, task: 'tabular' } }],
    ['parameter', { input: anInput({ parameters: { top_k: 4 } }) }],
    ['type of a parameter', { input: anInput({ parameters: { top_k: '5' } }) }],
    ['name of a parameter', { input: anInput({ parameters: { top_l: 5 } }) }],
    ['further parameter', { input: anInput({ parameters: { top_k: 5, truncate: false } }) }],
    ['output', { input: anInput({ outputs: ['z'] }) }],
    ['number of outputs', { input: anInput({ outputs: [] }) }],
    ['value', { input: anInput({ tensors: { x: tensorOf('FP32', [1, 2], [1, 3]) } }) }],
    ['sign of zero', { input: anInput({ tensors: { x: tensorOf('FP32', [1, 2], [1, -0]) } }) }],
    ['shape', { input: anInput({ tensors: { x: tensorOf('FP32', [1, 1, 2], [1, 2]) } }) }],
    ['dtype', { input: anInput({ tensors: { x: { ...tensorOf('FP32', [1, 2], [1, 2]), dtype: 'INT32' } } }) }],
    ['name of an input', { input: anInput({ tensors: { y: tensorOf('FP32', [1, 2], [1, 2]) } }) }],
    ['call that may not be split', { input: anInput({ splittable: false }) }],
  ])('makes another key for another %s', (_part, call) => {
    expect(keyOf(call)).not.toBe(keyOf());
  });

  it('makes another key for another revision of the software', () => {
    expect(keyOf({}, 'quayside@2')).not.toBe(keyOf());
  });

  it('tells texts apart byte by byte', () => {
    const variants = ['\u00e9', 'e\u0301', 'É', ' é', 'é ', '', 'é\u0000', 'e'];
    const keys = variants.map((text) => keyOf({ input: texts(text) }));
    expect(new Set(keys).size).toBe(variants.length);
  });

  it('gives a row the key that it has alone, whatever stands beside it', () => {
    const alone = keyOf({ input: texts('b') });
    expect(new ResultKeys('quayside@1').of(aCall({ input: texts('a', 'b', 'c', 'b') }))).toEqual([
      keyOf({ input: texts('a') }),
      alone,
      keyOf({ input: texts('c') }),
      alone,
    ]);
  });

  it('tells large inputs apart, down to the last byte', () => {
    const long = 'x'.repeat(100_000);
    const keys = [`${long}a`, `${long}b`, long, `a${long}`].map((text) => keyOf({ input: texts(text) }));
    expect(new Set(keys).size).toBe(4);
    expect(keyOf({ input: texts(`${long}a`) })).toBe(keys[0]);
  });

  it('never makes one key of two inputs', () => {
    const input = fc.record({
      parameters: fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.double({ noNaN: true }), fc.boolean())),
      outputs: fc.array(fc.string(), { maxLength: 3 }),
      tensors: fc.dictionary(
        fc.string({ maxLength: 3 }),
        fc
          .array(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 1 })
          .map((all) => tensorOf('BYTES', [1], all)),
        { maxKeys: 3 },
      ),
    });
    const canonical = ({ parameters, outputs, tensors }: TaskInput): string =>
      JSON.stringify([
        Object.entries(parameters)
          .map(([name, value]) => [name, typeof value, Object.is(value, -0) ? '-0' : value])
          .sort(),
        outputs,
        Object.entries(tensors)
          .map(([name, { bytes }]) => [name, Buffer.from(bytes).toString('hex')])
          .sort(),
      ]);
    fc.assert(
      fc.property(input, input, (left, right) => {
        const [one, other] = [anInput(left), anInput(right)];
        expect(keyOf({ input: one }) === keyOf({ input: other })).toBe(canonical(one) === canonical(other));
      }),
    );
  });
});
