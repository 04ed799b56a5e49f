import { type CallContext, type Clock, type JsonRecord, QuaysideError, isQuaysideError, ownValue } from '@app/core';
import type { ModelRegistry, ModelVersion } from '@app/model-registry';
import type { Bindings, BoundColumn, BoundView } from './bindings/bindings';
import { compileBindings } from './bindings/compile-bindings';
import { alternatives } from './bindings/request-fields';
import { RowFault, RowFaults } from './bindings/row-faults';
import { type FilledRow, RowFilling } from './bindings/row-filling';
import type { KnownViews } from './bindings/view-binder';
import { FeatureCounters } from './feature-counters';
import { type BoundRow, type Enriched, type FeatureStatistics, FeatureStore, type InspectedRow } from './feature-store';
import type { FeatureRead, FeatureReader } from './rows/feature-reader';
import { entityKeyOf } from './views/entity-key';

/** What joins a request with what is stored. */
export interface BoundFeatureStoreParts {
  /** The views that models may pin. */
  readonly views: KnownViews;
  readonly reader: FeatureReader;
  readonly clock: Clock;
  /** The longest read where the request itself has more time, in milliseconds. */
  readonly readTimeoutMs: number;
  /** Why nothing may be read by a version of a view, `name@version`; undefined where it may. Absent: all may be read. */
  readonly refusalOf?: (view: string) => QuaysideError | undefined;
}

/** A version's bindings, and what came of them. */
interface Compiled {
  readonly bindings: Bindings | undefined;
  readonly counters: FeatureCounters;
}

/** The key of one row in each view that it needs. */
type Keys = ReadonlyMap<BoundView, string>;

const NOTHING: FeatureRead = { kind: 'rows', rows: () => undefined };

/**
 * Joins by the bindings of a version's manifest, which are compiled before the version serves. A request costs at most
 * one read, whatever it has of rows and views; one that gives every stored value itself costs none.
 */
export class BoundFeatureStore extends FeatureStore {
  private readonly compiled = new WeakMap<ModelVersion, Compiled>();

  constructor(
    schemaSource: ModelRegistry,
    private readonly parts: BoundFeatureStoreParts,
  ) {
    super(schemaSource);
    schemaSource.beforeServing('bind', async (version) => void this.compile(version));
  }

  override async enrich(version: ModelVersion, rows: readonly JsonRecord[], context: CallContext): Promise<Enriched> {
    const { bindings, counters } = this.compile(version);
    if (!bindings) return { rows, degraded: false };
    const keys = keysOf(bindings, rows);
    const read = await this.read(keys, context);
    const filled = this.fill(bindings, { rows, keys, read, counters });
    const degraded = filled.some((row) => row.degraded);
    if (degraded) counters.degradedCalls++;
    return {
      rows: filled.map(({ row }) => row),
      provenance: filled.map(({ provenance }) => provenance),
      degraded,
    };
  }

  override async inspect(
    version: ModelVersion,
    rows: readonly JsonRecord[],
    context: CallContext,
  ): Promise<readonly InspectedRow[] | undefined> {
    const { bindings } = this.compile(version);
    if (!bindings) return undefined;
    const keys = keysOf(bindings, rows);
    const read = await this.read(keys, context);
    const faults = new RowFaults();
    return this.fillings({ rows, keys, read }, faults).map((filling) => filling.inspect(bindings.columns));
  }

  override describe(version: ModelVersion): BoundRow | undefined {
    const { bindings } = this.compile(version);
    if (!bindings) return undefined;
    const { columns, needs, fields } = bindings;
    return { fields: [...fields.values()], alternatives: alternatives(columns, needs) };
  }

  override statistics(version: ModelVersion): FeatureStatistics | undefined {
    const compiled = this.compiled.get(version);
    return compiled?.bindings && compiled.counters;
  }

  /** Throws model_load_failed where the bindings have faults. */
  private compile(version: ModelVersion): Compiled {
    const known = this.compiled.get(version);
    if (known) return known;
    const made = { bindings: compileBindings(version, this.parts.views), counters: new FeatureCounters() };
    this.compiled.set(version, made);
    return made;
  }

  /** Everything that the rows need, at once. Throws client_closed, and what `refusalOf` says. */
  private async read(keys: readonly Keys[], { deadlineAtMs, signal }: CallContext): Promise<FeatureRead> {
    const wanted = new Map<string, { readonly view: string; readonly key: string }>();
    const { reader, clock, readTimeoutMs, refusalOf } = this.parts;
    for (const [{ name: view, reference }, key] of keys.flatMap((own) => [...own])) {
      const refusal = refusalOf?.(reference);
      if (refusal) throw refusal;
      wanted.set(`${view} ${key}`, { view, key });
    }
    if (wanted.size === 0) return NOTHING;
    const timeoutMs = Math.min(readTimeoutMs, deadlineAtMs - clock.monotonicMs());
    if (timeoutMs <= 0) return { kind: 'timeout' };
    const read = await reader.read([...wanted.values()], { timeoutMs, signal });
    if (signal.aborted) throw new QuaysideError('client_closed', 'The client left before the answer.');
    return read;
  }

  private fill({ columns }: Bindings, read: ReadRows): readonly FilledRow[] {
    const faults = new RowFaults();
    const filled = this.fillings(read, faults).map((filling) => filling.fill(columns));
    faults.throwIfAny();
    return filled;
  }

  private fillings({ rows, keys, read, counters }: ReadRows, faults: RowFaults): readonly RowFilling[] {
    const nowUs = BigInt(Math.floor(this.parts.clock.epochMs())) * 1000n;
    return rows.map((row, index) => {
      const own = [...(keys[index] ?? [])];
      const stored = new Map(
        own.map(([view, key]) => [view, read.kind === 'timeout' ? read.kind : read.rows(view.name, key)]),
      );
      const wanted = own.map(([{ name }, key]) => ({ view: name, key }));
      return new RowFilling({ row, path: pathOf(index), stored, wanted, nowUs, counters }, faults);
    });
  }
}

interface ReadRows {
  readonly rows: readonly JsonRecord[];
  readonly keys: readonly Keys[];
  readonly read: FeatureRead;
  readonly counters?: FeatureCounters;
}

/** The keys that each row needs. Throws invalid_input for fields that rows may not have, and for keys they lack. */
function keysOf(bindings: Bindings, rows: readonly JsonRecord[]): readonly Keys[] {
  const faults = new RowFaults();
  const keys = rows.map((row, index) => {
    for (const fault of strangers(bindings, row, pathOf(index))) faults.note(fault);
    const needed = bindings.needs.filter(({ columns }) => !columns.every((column) => isGiven(column, row)));
    return new Map(needed.map(({ view }) => [view, faults.attempt(() => keyOf(view, row, pathOf(index))) ?? '']));
  });
  faults.throwIfAny();
  return keys;
}

function pathOf(index: number): string {
  return `rows[${index}]`;
}

function isGiven({ override }: BoundColumn, row: JsonRecord): boolean {
  return override !== undefined && Object.hasOwn(row, override.field);
}

function strangers({ fields, columns }: Bindings, row: JsonRecord, path: string): readonly RowFault[] {
  const unknown = Object.keys(row).filter((name) => !fields.has(name));
  return unknown.map((name) => {
    const field = `${path}.${name.slice(0, MAX_NAME_SHOWN)}`;
    const isColumn = columns.some((column) => column.name === name);
    const code = isColumn ? 'override_refused' : 'unknown_field';
    const says = isColumn ? 'is looked up or computed; the model lets no request give it' : 'is no field of the model';
    return new RowFault('invalid_input', { field, code, message: `${field} ${says}.` });
  });
}

/** Names that a client made up are shown no longer than this. */
const MAX_NAME_SHOWN = 40;

function keyOf({ keyedBy }: BoundView, row: JsonRecord, path: string): string {
  const values = Object.fromEntries(
    keyedBy.entities.flatMap(({ name }) => (Object.hasOwn(row, name) ? [[name, ownValue(row, name)]] : [])),
  );
  try {
    return entityKeyOf(keyedBy, values, path);
  } catch (error) {
    const [detail] = isQuaysideError(error) ? error.details : [];
    if (!detail) throw error;
    throw new RowFault('invalid_input', detail);
  }
}
