import { MODEL_NAME_PATTERN } from '@app/core';
import { unfit } from './unfit';

/** Reads one value, or throws model_load_failed saying what it must be; `at` is where it stands, such as `text.pooling`. */
export type Reader<T> = (value: unknown, at: string) => T;

/** The error for a value that is not what it must be. */
export function wrong(at: string, expected: string): Error {
  return unfit(`model.yaml: "${at}" must be ${expected}`);
}

/** A mapping of keys to values. */
export function record(value: unknown, at: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrong(at, 'a mapping of keys to values');
  return value as Record<string, unknown>;
}

/** True or false. */
export function flag(value: unknown, at: string): boolean {
  if (typeof value !== 'boolean') throw wrong(at, 'true or false');
  return value;
}

/** A text of 1 to 4096 characters. */
export function text(value: unknown, at: string): string {
  if (typeof value !== 'string' || value === '' || value.length > 4096)
    throw wrong(at, 'a text of 1 to 4096 characters');
  return value;
}

/** A JSON scalar. Whole numbers are exact. */
export function scalar(value: unknown, at: string): string | number | boolean {
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value !== 'number' || !Number.isFinite(value)) throw wrong(at, 'a text, a finite number, true or false');
  if (Number.isInteger(value) && !Number.isSafeInteger(value))
    throw wrong(at, 'a whole number of at most 2^53; quote a larger one');
  return value;
}

/** One of these texts. */
export function oneOf<const T extends string>(values: readonly T[]): Reader<T> {
  return (value, at) => {
    const found = values.find((candidate) => candidate === value);
    if (found === undefined) throw wrong(at, `one of ${values.join(', ')}`);
    return found;
  };
}

/** A whole number from `min` to `max`. */
export function integer(min: number, max: number): Reader<number> {
  return (value, at) => {
    const fits = typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;
    if (!fits) throw wrong(at, `a whole number from ${min} to ${max}`);
    return value;
  };
}

/** A number from `min` to `max`. */
export function number(min: number, max: number): Reader<number> {
  return (value, at) => {
    if (typeof value !== 'number' || !(value >= min && value <= max)) throw wrong(at, `a number from ${min} to ${max}`);
    return value;
  };
}

/** A list whose items are read one by one. */
export function listOf<T>(read: Reader<T>): Reader<readonly T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) throw wrong(at, 'a list');
    return value.map((item, index) => read(item, `${at}[${index}]`));
  };
}

/** A mapping with free keys; the result has no prototype. */
export function mapOf<T>(read: Reader<T>): Reader<Readonly<Record<string, T>>> {
  return (value, at) => {
    const found: Record<string, T> = Object.create(null);
    for (const [key, content] of Object.entries(record(value, at))) found[key] = read(content, `${at}.${key}`);
    return found;
  };
}

/** A version or label. YAML reads 3 as a number, which is fine, and 1.10 as 1.1, which is not. */
export function versionName(value: unknown, at: string): string {
  const name = Number.isSafeInteger(value) ? String(value) : value;
  if (typeof name !== 'string' || !MODEL_NAME_PATTERN.test(name)) throw wrong(at, 'the name of a version, in quotes');
  return name;
}
