import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { resolve } from 'node:path';

/** What every setting says of itself. */
export interface Described {
  /** One sentence: what it does, and what its default means. */
  readonly says: string;
}

/** One setting: how its text is read, and what its line in `docs/configuration.md` says. */
export interface Setting<Value> extends Described {
  /** Completes "must be …", such as `a whole number from 0 to 65535`. */
  readonly rule: string;
  /** As it would be written in the environment; absent: unset by default. */
  readonly defaultText: string | undefined;
  /** `ms`, `bytes` and the like; empty when there is none. */
  readonly unit: string;
  /** The value of a text, or of the default when the variable is unset. Throws `RuleBroken`. */
  read(text: string | undefined): Value;
}

/** A text that a setting cannot take. The message, when there is one, says more than the rule. */
export class RuleBroken extends Error {}

interface Reader<Value> {
  readonly says: string;
  readonly rule: string;
  readonly unit?: string;
  readonly defaultText: string | undefined;
  parse(text: string): Value;
}

function setting<Value>({ says, rule, unit = '', defaultText, parse }: Reader<Value>): Setting<Value> {
  return { says, rule, unit, defaultText, read: (text) => parse(text ?? defaultText ?? '') };
}

function optional<Value>(inner: Setting<Value>): Setting<Value | undefined> {
  return { ...inner, defaultText: undefined, read: (text) => (text === undefined ? undefined : inner.read(text)) };
}

interface IntOptions extends Described {
  readonly min: number;
  readonly max?: number;
  readonly unit?: string;
}

/** A whole number. */
export function int({
  min,
  max = Number.MAX_SAFE_INTEGER,
  ...rest
}: IntOptions & { readonly default: number }): Setting<number> {
  const rule =
    max === Number.MAX_SAFE_INTEGER ? `a whole number of at least ${min}` : `a whole number from ${min} to ${max}`;
  const parse = (text: string): number => {
    const value = /^-?\d{1,16}$/.test(text) ? Number(text) : NaN;
    if (!(value >= min && value <= max)) throw new RuleBroken();
    return value;
  };
  return setting({ ...rest, rule, defaultText: String(rest.default), parse });
}

/** A whole number that may be left out; what happens then stands in `says`. */
export function optionalInt(options: IntOptions): Setting<number | undefined> {
  return optional(int({ ...options, default: options.min }));
}

/** Any text that is not empty. */
export function text(options: Described & { readonly default: string }): Setting<string> {
  const parse = (value: string): string => {
    if (value.trim() === '') throw new RuleBroken();
    return value;
  };
  return setting({ says: options.says, rule: 'a text that is not empty', defaultText: options.default, parse });
}

/**
 * A URL of one of these schemes, or one of `words` where there are any; it may be left out. It may hold a password, so no
 * message shows it.
 */
export function optionalSecretUrl({
  schemes,
  words = [],
  ...options
}: Described & { readonly schemes: readonly string[]; readonly words?: readonly string[] }): Setting<
  string | undefined
> {
  const url = `a URL that begins with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`;
  const rule = [url, ...words].join(', or ');
  const parse = (value: string): string => {
    if (words.includes(value)) return value;
    const isUrl = schemes.some((scheme) => value.startsWith(`${scheme}://`)) && URL.canParse(value);
    if (!isUrl) throw new RuleBroken();
    return value;
  };
  return optional(setting({ says: options.says, rule, defaultText: undefined, parse }));
}

/** A text that `check` takes and no message shows; it may be left out. */
export function optionalSecret({
  check,
  ...options
}: Described & { readonly rule: string; check(text: string): boolean }): Setting<string | undefined> {
  const parse = (value: string): string => {
    if (!check(value)) throw new RuleBroken();
    return value;
  };
  return optional(setting({ ...options, defaultText: undefined, parse }));
}

/** A name that databases and file systems take as it is, of at most 40 characters. */
export function name(options: Described & { readonly default: string }): Setting<string> {
  const parse = (value: string): string => {
    if (!/^[a-z][a-z0-9_]{0,39}$/.test(value)) throw new RuleBroken();
    return value;
  };
  const rule = 'at most 40 lower case letters, digits and _, with a letter first';
  return setting({ says: options.says, rule, defaultText: options.default, parse });
}

/** One word out of a few. */
export function oneOf<const Word extends string>(
  words: readonly Word[],
  options: Described & { readonly default: NoInfer<Word> },
): Setting<Word> {
  const parse = (value: string): Word => {
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw new RuleBroken();
    return word;
  };
  return setting({ says: options.says, rule: `one of ${words.join(', ')}`, defaultText: options.default, parse });
}

/** `true` or `false`, and nothing else. */
export function flag(options: Described & { readonly default: boolean }): Setting<boolean> {
  const parse = (value: string): boolean => {
    if (value !== 'true' && value !== 'false') throw new RuleBroken();
    return value === 'true';
  };
  return setting({ says: options.says, rule: 'true or false', defaultText: String(options.default), parse });
}

/** Texts between commas, each of which `check` takes; empty by default. */
export function list(
  options: Described & { readonly rule: string; check(items: readonly string[]): boolean },
): Setting<readonly string[]> {
  const parse = (value: string): readonly string[] => {
    if (value.trim() === '') return [];
    const items = value.split(',').map((item) => item.trim());
    if (!options.check(items)) throw new RuleBroken();
    return items;
  };
  return setting({ says: options.says, rule: options.rule, defaultText: '', parse });
}

/** A folder; a relative one is taken from the working directory. `missing` says what happens when it is not there. */
export function directory(
  options: Described & { readonly default: string; readonly missing: 'refuse' | 'create' },
): Setting<string> {
  const creates = options.missing === 'create';
  const rule = creates ? 'a folder that can be created and written to' : 'a folder that exists and can be read';
  const parse = (value: string): string => {
    if (value.trim() === '') throw new RuleBroken();
    const path = resolve(value);
    try {
      if (creates) mkdirSync(path, { recursive: true });
      if (!statSync(path).isDirectory()) throw new RuleBroken(`${path} is not a folder`);
      accessSync(path, creates ? constants.W_OK | constants.X_OK : constants.R_OK | constants.X_OK);
    } catch (fault) {
      throw fault instanceof RuleBroken ? fault : new RuleBroken(`${path}: ${describe(fault)}`);
    }
    return path;
  };
  return setting({ says: options.says, rule, defaultText: options.default, parse });
}

/** A folder that is created when it is missing; it may be left out. */
export function optionalDirectory(options: Described): Setting<string | undefined> {
  return optional(directory({ ...options, default: '', missing: 'create' }));
}

const FILE_FAULTS: Readonly<Record<string, string>> = {
  ENOENT: 'no such folder',
  ENOTDIR: 'not a folder',
  EEXIST: 'not a folder',
  EACCES: 'not allowed',
  EPERM: 'not allowed',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left',
};

function describe(fault: unknown): string {
  const { code } = fault as { readonly code?: string };
  return FILE_FAULTS[code ?? ''] ?? code ?? 'cannot be used';
}
