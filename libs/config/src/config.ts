import { RuleBroken } from './readers';
import { CROSS_RULES, SETTINGS } from './settings';

type Table = typeof SETTINGS;

/** The name of a variable that Quayside reads. */
export type Variable = keyof Table;

/** `BODY_LIMIT_BYTES` → `bodyLimitBytes`. */
type Camel<Text extends string> = Text extends `${infer Head}_${infer Tail}`
  ? `${Lowercase<Head>}${Capitalize<Camel<Tail>>}`
  : Lowercase<Text>;

type AreaOf<Name extends string> = Name extends `${infer Area}_${string}` ? Lowercase<Area> : never;

type Slice<Area extends string> = {
  readonly [Name in Variable as Name extends `${Uppercase<Area>}_${infer Rest}` ? Camel<Rest> : never]: ReturnType<
    Table[Name]['read']
  >;
};

/** Variables that are no settings of ours, and that executor processes get as they are. */
const INHERITED = ['NODE_ENV', 'TZ', 'LD_LIBRARY_PATH'] as const;

/**
 * All settings in slices by area, typed by the table: `HTTP_BODY_LIMIT_BYTES` is `http.bodyLimitBytes`. Frozen.
 * `inherited` has what executors get of the environment itself.
 */
export type Config = { readonly [Area in AreaOf<Variable>]: Slice<Area> } & {
  readonly inherited: { readonly [Name in (typeof INHERITED)[number]]?: string };
};

/** One variable whose text breaks its rule. */
export interface ConfigProblem {
  readonly variable: string;
  readonly sentence: string;
}

/** The environment asks for something that no server can do. Its message lists every problem, a line each. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly ConfigProblem[]) {
    const count = problems.length === 1 ? 'One setting is' : `${problems.length} settings are`;
    super([`${count} wrong:`, ...problems.map(({ variable, sentence }) => `  ${variable} ${sentence}`)].join('\n'));
    this.name = 'ConfigError';
  }
}

type Environment = Readonly<Record<string, string | undefined>>;
type Values = { readonly [Name in Variable]: ReturnType<Table[Name]['read']> };

/** Reads and checks every setting. Throws `ConfigError` with all problems together. Empty variables count as unset. */
export function parseConfig(env: Environment = process.env): Config {
  const problems: ConfigProblem[] = misspelled(env);
  const values: Record<string, unknown> = {};
  for (const [variable, setting] of Object.entries(SETTINGS)) {
    try {
      values[variable] = setting.read(env[variable] || undefined);
    } catch (fault) {
      problems.push({ variable, sentence: sentenceFor(variable as Variable, fault) });
    }
  }
  if (problems.length === 0) problems.push(...crossProblems(values as Values));
  if (problems.length > 0) throw new ConfigError(problems);
  return toSlices(values as Values, inheritedFrom(env));
}

function inheritedFrom(env: Environment): Record<string, unknown> {
  return Object.fromEntries(INHERITED.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}

function sentenceFor(variable: Variable, fault: unknown): string {
  if (!(fault instanceof RuleBroken)) throw fault;
  const { rule, says } = SETTINGS[variable];
  return `must be ${rule}${fault.message && ` (${fault.message})`}. ${says}`;
}

function crossProblems(values: Values): ConfigProblem[] {
  return CROSS_RULES.filter(({ broken }) => broken(values)).map(({ variable, rule }) => ({
    variable,
    sentence: `must be ${rule}. ${SETTINGS[variable].says}`,
  }));
}

function toSlices(values: Values, inherited: Record<string, unknown>): Config {
  const slices: Record<string, Record<string, unknown>> = { inherited };
  for (const [variable, value] of Object.entries(values)) {
    const [area = '', ...rest] = variable.toLowerCase().split('_');
    const key = rest.map((word, index) => (index === 0 ? word : word[0]?.toUpperCase() + word.slice(1))).join('');
    (slices[area] ??= {})[key] = value;
  }
  for (const slice of Object.values(slices)) Object.freeze(slice);
  return Object.freeze(slices) as unknown as Config;
}

/** A variable that is a slip away from one of ours is refused: its writer believes that it works. */
function misspelled(env: Environment): ConfigProblem[] {
  const ours = Object.keys(SETTINGS);
  const strangers = Object.keys(env).filter((name) => !(name in SETTINGS));
  return strangers.flatMap((variable) => {
    const meant = ours.find((name) => isOneSlipAway(variable, name));
    return meant ? [{ variable, sentence: `is not a setting. Did you mean ${meant}?` }] : [];
  });
}

/** Whether one letter more, one less, another one or two that swapped places make `left` the same as `right`. */
function isOneSlipAway(left: string, right: string): boolean {
  if (Math.abs(left.length - right.length) > 1) return false;
  let start = 0;
  while (start < left.length && left[start] === right[start]) start += 1;
  const [rest, other] = [left.slice(start), right.slice(start)];
  const swapped = rest[0] === other[1] && rest[1] === other[0] && rest.slice(2) === other.slice(2);
  return swapped || rest.slice(1) === other.slice(1) || rest.slice(1) === other || rest === other.slice(1);
}
