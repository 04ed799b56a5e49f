import { type FeaturePlan, type PlannedChange, viewReference } from '@app/feature-store';
import type { Pins } from '../describe-feature-view';

const WORDS = {
  create: 'new',
  update: 'changed in place',
  unchanged: 'unchanged',
  refuse: 'REFUSED',
} as const satisfies Record<PlannedChange['kind'], string>;

/** The lines of a plan: every version with what differs, and the models that it touches. */
export function renderPlan(plan: FeaturePlan, pins: Pins): readonly string[] {
  const declared = new Set(plan.changes.map(referenceOf));
  const orphans = [...pins].filter(([reference]) => !declared.has(reference));
  return [
    ...plan.faults.map((fault) => `FAULT ${fault}`),
    ...plan.changes.flatMap((change) => changeLines(change, pins)),
    ...orphans.map(
      ([reference, models]) => `MISSING ${reference}: no document declares it, and ${models.join(', ')} cannot serve`,
    ),
    summary(plan),
  ];
}

function changeLines(change: PlannedChange, pins: Pins): readonly string[] {
  const head = `${referenceOf(change)}  ${WORDS[change.kind]}`;
  if (change.kind === 'unchanged') return [head, ...touched(change, pins)];
  return [head, ...change.says.map((line) => `  ${line}`), ...touched(change, pins)];
}

/** Those that pin this version are changed by it; those that pin another one of the view read the same rows. */
function touched(change: PlannedChange, pins: Pins): readonly string[] {
  const own = pins.get(referenceOf(change)) ?? [];
  const others = [...pins].filter(
    ([reference]) => reference.startsWith(`${change.view}@`) && reference !== referenceOf(change),
  );
  return [
    ...(own.length > 0 ? [`  pinned by ${own.join(', ')}`] : []),
    ...(change.kind === 'unchanged'
      ? []
      : others.map(([reference, models]) => `  ${models.join(', ')} pins ${reference}, and goes on with it`)),
  ];
}

function summary({ changes, faults, isRefused }: FeaturePlan): string {
  const count = (kind: PlannedChange['kind']): number => changes.filter((change) => change.kind === kind).length;
  const counts = `${count('create')} new, ${count('update')} changed in place, ${count('unchanged')} unchanged`;
  if (!isRefused) return `${counts}.`;
  return `${counts}, ${count('refuse')} refused, ${faults.length} faults: nothing can be applied.`;
}

function referenceOf({ view, version }: PlannedChange): string {
  return viewReference({ name: view, version });
}
