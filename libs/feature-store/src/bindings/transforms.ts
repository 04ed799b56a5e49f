import { hash } from 'node:crypto';
import { type StoredDtype, type StoredScalar, codePointLength, isInteger } from '@app/core';
import { castOf } from './casts';

/** What an argument must be. `category` is text, a whole number or a boolean, compared by its canonical text. */
export type ArgumentKind = 'text' | 'number' | 'moment' | 'category';

/** One parameter of a transform. A `literal` stands in the manifest; others are values of a row. */
export interface Parameter {
  readonly name: string;
  readonly kind: ArgumentKind;
  readonly literal?: true;
}

/** A pure function of a row's values: equal arguments, and an equal moment, give equal results. */
export interface Transform {
  readonly parameters: readonly Parameter[];
  /** The dtype of what it gives, which is then cast to what the model takes. */
  readonly result: StoredDtype;
  /** Why these literals, by place, make no sense; undefined where they do. */
  readonly refuses?: (literals: readonly (StoredScalar | undefined)[]) => string | undefined;
  /** Arguments are as their kinds say: text a string, numbers as FP64, a moment in microseconds. `nowUs` is the call's. */
  readonly apply: (args: readonly StoredScalar[], nowUs: bigint) => StoredScalar;
}

const MAX_BUCKETS = 2 ** 31 - 1;

const text = (name: string): Parameter => ({ name, kind: 'text' });
const number = (name: string): Parameter => ({ name, kind: 'number' });
const literal = (parameter: Parameter): Parameter => ({ ...parameter, literal: true });

/** Every transform by `name@version`. What a version computes never changes: another result is another version. */
const TRANSFORMS = {
  /** Unicode code points of a text. */
  'char_length@1': { parameters: [text('text')], result: 'INT32', apply: ([value]) => codePointLength(String(value)) },
  /** Lower case by the Unicode default mapping, whatever the locale. */
  'lower@1': { parameters: [text('text')], result: 'STRING', apply: ([value]) => String(value).toLowerCase() },
  /** ln(1 + x). */
  'log1p@1': { parameters: [number('x')], result: 'FP64', apply: ([x]) => Math.log1p(Number(x)) },
  /** The nearest number from `low` to `high`; NaN stays. */
  'clip@1': {
    parameters: [number('x'), literal(number('low')), literal(number('high'))],
    result: 'FP64',
    refuses: ([, low, high]) => (Number(low) <= Number(high) ? undefined : 'its low is above its high'),
    apply: ([x, low, high]) => Math.min(Math.max(Number(x), Number(low)), Number(high)),
  },
  /** a / b as IEEE 754 divides: by zero it gives an infinity or NaN. */
  'ratio@1': { parameters: [number('a'), number('b')], result: 'FP64', apply: ([a, b]) => Number(a) / Number(b) },
  /** Seconds from the moment to now; negative for one to come. */
  'age_seconds@1': {
    parameters: [{ name: 'moment', kind: 'moment' }],
    result: 'FP64',
    apply: ([moment], nowUs) => Number(nowUs - BigInt(moment as bigint)) / 1e6,
  },
  /** The first 8 bytes of the text's SHA-256, big-endian, modulo `buckets`. */
  'hash_bucket@1': {
    parameters: [{ name: 'value', kind: 'category' }, literal(number('buckets'))],
    result: 'INT32',
    refuses: ([, buckets]) => (isBucketCount(buckets) ? undefined : `its buckets must be 1 to ${MAX_BUCKETS}`),
    apply: ([value, buckets]) => bucketOf(String(value), BigInt(Number(buckets))),
  },
  /** Whether the value is the category: 1 or 0 for a model that takes numbers. */
  'one_hot@1': {
    parameters: [
      { name: 'value', kind: 'category' },
      { name: 'category', kind: 'category', literal: true },
    ],
    result: 'BOOL',
    apply: ([value, category]) => String(value) === String(category),
  },
} as const satisfies Readonly<Record<string, Transform>>;

/** The transform of this name and version. */
export function transformOf(name: string, version: number): Transform | undefined {
  const key = `${name}@${version}`;
  return Object.hasOwn(TRANSFORMS, key) ? TRANSFORMS[key as keyof typeof TRANSFORMS] : undefined;
}

/** What there is, for messages. */
export const TRANSFORM_NAMES: readonly string[] = Object.keys(TRANSFORMS);

/** What makes a value of this dtype an argument; undefined where it cannot be one. */
export function argumentCast(
  dtype: StoredDtype,
  kind: ArgumentKind,
): ((v: StoredScalar) => StoredScalar | undefined) | undefined {
  if (kind === 'text') return dtype === 'STRING' ? (value) => value : undefined;
  if (kind === 'moment') return dtype === 'TIMESTAMP' ? (value) => value : undefined;
  if (kind === 'number') return castOf(dtype, 'FP64');
  const isCategory = dtype === 'STRING' || dtype === 'BOOL' || (dtype !== 'TIMESTAMP' && isInteger(dtype));
  return isCategory ? (value) => value : undefined;
}

function isBucketCount(value: StoredScalar | undefined): boolean {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MAX_BUCKETS;
}

function bucketOf(value: string, buckets: bigint): number {
  return Number(hash('sha256', value, 'buffer').readBigUInt64BE() % buckets);
}
