import { QuaysideError } from '@app/core';
import type { Schema } from './json-schema';
import type { PredictOptions } from './task';

/** One of the options of a request. */
export type OptionName = keyof PredictOptions;

/** What an option may be: its schema for clients, which is also what is checked. */
interface OptionRule {
  readonly schema: Schema;
  readonly accepts: (value: unknown) => boolean;
  readonly says: string;
}

/** Every option of every task, once. */
const RULES = {
  top_k: integer({ minimum: 1, maximum: 100, default: 5, description: 'How many of the best classes to answer.' }),
  temperature: between({
    minimum: 0,
    maximum: 2,
    default: 0.7,
    description: 'Divides the scores before they become probabilities. 0 gives the best class 1 and the others 0.',
  }),
  truncate: flag({ default: true, description: 'Cut a text that is longer than the model reads, or refuse it.' }),
  normalize: flag({ default: true, description: 'Scale the embedding to Euclidean length 1.' }),
  dimensions: integer({ minimum: 1, description: 'Cut the embedding to this many numbers, before it is normalized.' }),
  int64: oneOf(['auto', 'string', 'number'], {
    default: 'auto',
    description:
      'How 64-bit integers are written. auto: numbers where all of a tensor are safe integers, else strings.',
  }),
  nonfinite: oneOf(['string', 'null', 'error'], {
    default: 'string',
    description: 'How NaN and the infinities are written; error answers non_finite_output.',
  }),
} as const satisfies Record<OptionName, OptionRule>;

/** The one option that no task sees: it is about where the answer comes from. */
const CACHE: Schema = {
  type: 'boolean',
  default: true,
  description: 'Whether the answer may be that of an equal request, and may be kept for the next one.',
};

/**
 * Checks a request's options against those that a task knows. Gives those that were sent; defaults are the task's.
 * Throws unsupported_option for a name that the task does not know, invalid_request for a value out of its limits.
 */
export function readOptions<Name extends OptionName>(
  options: PredictOptions,
  known: readonly Name[],
): Pick<PredictOptions, Name> {
  const sent: Record<string, unknown> = {};
  for (const name of Object.keys(options)) {
    const value = options[name as OptionName];
    if (value === undefined) continue;
    if (!(known as readonly string[]).includes(name)) throw unsupportedOption(name, `It takes ${known.join(', ')}.`);
    const rule = RULES[name as Name];
    if (!rule.accepts(value)) throw invalidOption(name, rule.says);
    sent[name] = value;
  }
  return sent as Pick<PredictOptions, Name>;
}

/** The refusal of an option that a model does not support; `hint` says what it does take. */
export function unsupportedOption(name: string, hint: string): QuaysideError {
  const shown = name.slice(0, 40);
  const message = `The model does not support the option "${shown}". ${hint}`;
  const detail = { field: `options.${shown}`, code: 'unsupported_option', message };
  return new QuaysideError('unsupported_option', message, { details: [detail] });
}

/** JSON Schema of the options that a request for a task may have. */
export function optionsSchema(known: readonly OptionName[]): Schema {
  return {
    type: 'object',
    properties: { ...Object.fromEntries(known.map((name) => [name, RULES[name].schema])), cache: CACHE },
    additionalProperties: false,
  };
}

function invalidOption(name: string, says: string): QuaysideError {
  const message = `The option "${name}" must be ${says}.`;
  return new QuaysideError('invalid_request', message, {
    details: [{ field: `options.${name}`, code: 'invalid_option', message }],
  });
}

interface Described {
  readonly description: string;
  readonly default?: string | number | boolean;
}

interface Limits extends Described {
  readonly minimum: number;
  readonly maximum?: number;
}

function integer(limits: Limits): OptionRule {
  return {
    schema: { type: 'integer', ...limits },
    accepts: (value) => Number.isSafeInteger(value) && within(value as number, limits),
    says: `an integer ${limitsText(limits)}`,
  };
}

function between(limits: Limits): OptionRule {
  return {
    schema: { type: 'number', ...limits },
    accepts: (value) => Number.isFinite(value) && within(value as number, limits),
    says: `a number ${limitsText(limits)}`,
  };
}

function flag(described: Described): OptionRule {
  return {
    schema: { type: 'boolean', ...described },
    accepts: (value) => typeof value === 'boolean',
    says: 'true or false',
  };
}

function oneOf(values: readonly string[], described: Described): OptionRule {
  return {
    schema: { enum: values, ...described },
    accepts: (value) => values.includes(value as string),
    says: `one of ${values.join(', ')}`,
  };
}

function within(value: number, { minimum, maximum }: Limits): boolean {
  return value >= minimum && value <= (maximum ?? Infinity);
}

function limitsText({ minimum, maximum }: Limits): string {
  return maximum === undefined ? `from ${minimum} on` : `from ${minimum} to ${maximum}`;
}
