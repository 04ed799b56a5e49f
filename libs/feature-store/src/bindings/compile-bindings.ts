import { QuaysideError, tabularColumns } from '@app/core';
import type { ColumnSettings, Manifest, ModelVersion } from '@app/model-registry';
import { BindingFault } from './binding-fault';
import { type Bindings, type BoundColumn, type BoundView, featuresIn } from './bindings';
import { ColumnCompiler } from './column-compiler';
import { type Expression, type FeatureExpression, parseExpression } from './expression';
import { requestFields } from './request-fields';
import { type KnownViews, ViewBinder } from './view-binder';

/** Whether the manifest says anything that only the feature store obeys. */
export function hasBindings({ entities, tabular }: Manifest): boolean {
  return Object.keys(entities).length > 0 || (tabular.columns ?? []).some(isBound);
}

function isBound({ from, override, dtype, cast, onMissing, onStale, onTimeout }: ColumnSettings): boolean {
  return [from, override, dtype, cast, onMissing, onStale, onTimeout].some((key) => key !== undefined);
}

/**
 * Compiles what a version's columns are bound to; undefined where its manifest binds nothing. Throws model_load_failed
 * with every fault, each naming the column, and the view where one is meant.
 */
export function compileBindings(version: ModelVersion, views: KnownViews): Bindings | undefined {
  if (!hasBindings(version.manifest)) return undefined;
  if (version.task !== 'tabular') throw unfit(version, [`the task ${version.task} has no columns to bind`]);
  const faults: string[] = [];
  const binder = new ViewBinder(views, version.manifest.entities);
  const { signature, manifest } = version;
  const written = { signature, columns: manifest.tabular.columns ?? [], inputs: manifest.inputs };
  const columns = tabularColumns(written).flatMap((column) => {
    const report = (fault: string): void => void faults.push(`column "${column.settings.name}": ${fault}`);
    return new ColumnCompiler(column, binder, report).compile() ?? [];
  });
  // Where a view could not be bound, it may be its entity that nothing uses.
  if (faults.length === 0) faults.push(...binder.unusedEntities());
  if (faults.length > 0) throw unfit(version, faults);
  const needs = binder.bound().map((view) => ({ view, columns: columns.filter((column) => isOver(column, view)) }));
  return { columns, needs, fields: requestFields(columns, needs) };
}

/**
 * The versions of views that a manifest pins, each once. An expression that cannot be read pins nothing; the version
 * then never serves.
 */
export function pinnedViews({ tabular }: Manifest): readonly { readonly view: string; readonly version: number }[] {
  const pinned = (tabular.columns ?? []).flatMap(({ from }) => (from === undefined ? [] : pinnedBy(from)));
  return [...new Map(pinned.map((pin) => [`${pin.view}@${pin.version}`, pin])).values()];
}

function pinnedBy(from: string): readonly { readonly view: string; readonly version: number }[] {
  try {
    return featuresOf(parseExpression(from)).flatMap(({ view, version }) =>
      version === undefined ? [] : [{ view, version }],
    );
  } catch (error) {
    if (error instanceof BindingFault) return [];
    throw error;
  }
}

function featuresOf(expression: Expression): readonly FeatureExpression[] {
  if (expression.kind === 'transform') return expression.args.flatMap(featuresOf);
  return expression.kind === 'feature' ? [expression] : [];
}

/**
 * Throws invalid_input for a model that looks up or computes columns which a request may not give: inputs in the tensors
 * form give all of them.
 */
export function refuseTensors({ model, manifest }: ModelVersion): void {
  const isOwn = ({ from, override }: ColumnSettings): boolean =>
    from !== undefined && !from.startsWith('request.') && override === undefined;
  const own = manifest.tabular.columns?.find(isOwn);
  if (!own) return;
  const message = `Model "${model}" looks up or computes "${own.name}" itself: send rows instead of inputs.`;
  throw new QuaysideError('invalid_input', message, {
    details: [{ field: 'inputs', code: 'rows_required', message }],
  });
}

function isOver({ source }: BoundColumn, view: BoundView): boolean {
  return featuresIn(source).some((feature) => feature.view === view);
}

function unfit({ model, version }: ModelVersion, faults: readonly string[]): QuaysideError {
  const count = faults.length === 1 ? '1 fault' : `${faults.length} faults`;
  const message = `The bindings of ${model}@${version} have ${count}: ${faults.join('; ')}.`;
  return new QuaysideError('model_load_failed', message);
}
