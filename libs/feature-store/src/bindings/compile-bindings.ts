import { QuaysideError } from '@app/core';
import { type ColumnSettings, type Manifest, type ModelVersion, tabularColumns } from '@app/model-registry';
import { type Bindings, type BoundColumn, type BoundView, featuresIn } from './bindings';
import { ColumnCompiler } from './column-compiler';
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
  const columns = tabularColumns(version).flatMap((column) => {
    const report = (fault: string): void => void faults.push(`column "${column.settings.name}": ${fault}`);
    return new ColumnCompiler(column, binder, report).compile() ?? [];
  });
  faults.push(...binder.unusedEntities());
  if (faults.length > 0) throw unfit(version, faults);
  const needs = binder.bound().map((view) => ({ view, columns: columns.filter((column) => isOver(column, view)) }));
  return { columns, needs, fields: requestFields(columns, needs) };
}

function isOver({ source }: BoundColumn, view: BoundView): boolean {
  return featuresIn(source).some((feature) => feature.view === view);
}

function unfit({ model, version }: ModelVersion, faults: readonly string[]): QuaysideError {
  const count = faults.length === 1 ? '1 fault' : `${faults.length} faults`;
  const message = `The bindings of ${model}@${version} have ${count}: ${faults.join('; ')}.`;
  return new QuaysideError('model_load_failed', message);
}
