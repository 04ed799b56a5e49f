import { type Reader, record } from './manifest-values';
import { unfit } from './unfit';

/** One key of a `model.yaml`: how it is read, and what the documentation says of it. */
export interface Key<T> {
  readonly read: Reader<T>;
  /** What may be written, for people. */
  readonly takes: string;
  readonly default: string;
  readonly says: string;
  /** Set for keys that concern the model as a whole and so stand in its own file only. */
  readonly modelOnly?: true;
}

/** A mapping of these keys, each read by its own rule. Throws for any other key. */
export function fields<K extends Readonly<Record<string, Key<unknown>>>>(
  keys: K,
  value: unknown,
  at: string,
): { readonly [Name in keyof K]?: ReturnType<K[Name]['read']> } {
  const found: Record<string, unknown> = {};
  for (const [name, content] of Object.entries(record(value, at))) {
    const key = Object.hasOwn(keys, name) ? keys[name] : undefined;
    if (!key) throw unknownKey(`${at}.${name}`);
    found[name] = key.read(content, `${at}.${name}`);
  }
  return found as { readonly [Name in keyof K]?: ReturnType<K[Name]['read']> };
}

/** The error for a key that there is not; `path` is where it stands. */
export function unknownKey(path: string): Error {
  return unfit(`model.yaml: unknown key "${path}"`);
}
