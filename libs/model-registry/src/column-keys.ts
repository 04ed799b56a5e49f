import { DTYPES } from '@app/core';
import type { ColumnSettings, InputOptions } from './manifest';
import { type Key, fields } from './manifest-key';
import { flag, oneOf, scalar, text, wrong } from './manifest-values';

/** How JSON becomes elements of an input: the keys under `inputs.<name>`, and those of a column. */
export const INPUT_KEYS = {
  coerce: { read: flag, takes: 'true, false', default: 'false', says: 'Take 0 and 1 for a boolean.' },
  null_as_nan: { read: flag, takes: 'true, false', default: 'false', says: 'Take null as NaN in floats.' },
  on_non_finite: {
    read: oneOf(['accept', 'reject'] as const),
    takes: '`accept`, `reject`',
    default: '`accept`',
    says: 'What to do with NaN and infinities.',
  },
} satisfies Record<string, Key<unknown>>;

/** The keys of a column, under `tabular.columns[]`. */
export const COLUMN_KEYS = {
  name: { read: text, takes: 'text', default: 'required', says: 'The name that requests use.' },
  default: {
    read: scalar,
    takes: 'text, number, true, false',
    default: 'none: the column is required',
    says: 'What an absent column becomes.',
  },
  from: {
    read: text,
    takes: '`request.<field>`, `feature:<view>@<version>:<feature>`, `transform:<name>@1(…)`, `const:<value>`',
    default: '`request.<name>`',
    says: 'Where the value comes from.',
  },
  override: {
    read: oneOf(['request'] as const),
    takes: '`request`',
    default: 'none: a request that has the column is refused',
    says: 'Whether a request may give the value itself, where `from` names another source.',
  },
  dtype: {
    read: oneOf([...DTYPES, 'STRING', 'TIMESTAMP'] as const),
    takes: 'an Open Inference Protocol type, `STRING`, `TIMESTAMP`',
    default: "the feature's, else the input's",
    says: "What a request's value is read as, before it is cast to what the model takes.",
  },
  cast: {
    read: oneOf(['exact', 'round'] as const),
    takes: '`exact`, `round`',
    default: 'neither',
    says: 'Also take floats for whole numbers where they are whole (`exact`), or round whole numbers that a float cannot hold (`round`).',
  },
  on_missing: {
    read: oneOf(['default', 'error', 'nan'] as const),
    takes: '`default`, `error`, `nan`',
    default: "the feature's",
    says: 'What to do about a stored value that is not there.',
  },
  on_stale: {
    read: oneOf(['missing', 'default', 'serve', 'error'] as const),
    takes: '`missing`, `default`, `serve`, `error`',
    default: "the feature's",
    says: 'What to do about a stored value that is too old.',
  },
  on_timeout: {
    read: oneOf(['error', 'defaults'] as const),
    takes: '`error`, `defaults`',
    default: "the feature's",
    says: 'What to do about a stored value that could not be read in time.',
  },
  ...INPUT_KEYS,
  on_non_finite: {
    ...INPUT_KEYS.on_non_finite,
    default: '`reject`, or `accept` with `null_as_nan` or `on_missing: nan`',
  },
} satisfies Record<string, Key<unknown>>;

/** Reads what stands under `inputs.<name>`. */
export function inputOptions(value: unknown, at: string): InputOptions {
  const found = fields(INPUT_KEYS, value, at);
  return { coerce: found.coerce, nullAsNan: found.null_as_nan, onNonFinite: found.on_non_finite };
}

/** Reads a column: a name alone, or its keys. */
export function column(value: unknown, at: string): ColumnSettings {
  if (typeof value === 'string') return { name: text(value, at) };
  const { name, default: otherwise, from, override, dtype, cast, ...options } = fields(COLUMN_KEYS, value, at);
  if (name === undefined) throw wrong(`${at}.name`, 'given');
  return {
    name,
    default: otherwise,
    from,
    override,
    dtype,
    cast,
    onMissing: options.on_missing,
    onStale: options.on_stale,
    onTimeout: options.on_timeout,
    coerce: options.coerce,
    nullAsNan: options.null_as_nan,
    onNonFinite: options.on_non_finite,
  };
}
