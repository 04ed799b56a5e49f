import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { QuaysideError } from '@app/core';
import { parseAllDocuments } from 'yaml';
import { type Feature, type FeatureView, viewReference } from './feature-view';
import { readViewDocument } from './view-document';

/** The largest file of views that is read, and most documents of a folder. */
export const VIEW_LIMITS = { fileBytes: 1024 * 1024, documents: 1000 } as const;

/** One thing that is wrong in a folder of views. */
export interface ViewFault {
  /** The file's name and, where it has several, the number of its document, such as `users.yaml#2`. */
  readonly at: string;
  readonly says: string;
}

interface DeclaredView {
  readonly at: string;
  readonly view: FeatureView;
}

/**
 * The feature views that a folder declares: what models bind to, without any database. Every version that is still
 * pinned keeps its document. A document with a fault declares nothing, and `faults` says why.
 */
export class FeatureViews {
  private readonly versions = new Map<string, Map<number, FeatureView>>();
  private readonly features = new Map<string, Map<string, Feature>>();
  private readonly found: ViewFault[] = [];

  /** Views that were made elsewhere, as in a test. Faults as in `readFeatureViews`. */
  constructor(views: readonly FeatureView[] = []) {
    this.declare(views.map((view) => ({ at: viewReference(view), view })));
  }

  /** Every fault of the folder, in the order of files and documents. */
  get faults(): readonly ViewFault[] {
    return this.found;
  }

  /** Every version of every view, by name and number. */
  all(): readonly FeatureView[] {
    return [...this.versions.keys()].sort().flatMap((name) => this.versionsOf(name));
  }

  /** The versions of a view, oldest first; empty for an unknown one. */
  versionsOf(name: string): readonly FeatureView[] {
    const versions = this.versions.get(name)?.values() ?? [];
    return [...versions].sort((left, right) => left.version - right.version);
  }

  /** One version; undefined where no document declares it. */
  find(name: string, version: number): FeatureView | undefined {
    return this.versions.get(name)?.get(version);
  }

  /** The version of a view with the highest number. */
  newest(name: string): FeatureView | undefined {
    return this.versionsOf(name).at(-1);
  }

  /** Every feature that any version of a view has, by name: what a stored row may hold. */
  featuresOf(name: string): ReadonlyMap<string, Feature> {
    return this.features.get(name) ?? new Map();
  }

  /**
   * The version that `user_stats@3` names. Throws feature_view_not_found, and feature_view_version_not_found, which for a
   * reference without a version names the newest, and for an unknown one what there is.
   */
  resolve(reference: string): FeatureView {
    const [, name = reference, version] = /^([^@]*)@(\d{1,7})$/.exec(reference) ?? [];
    // A number is written in one way: 01 is none.
    const isNumber = version !== undefined && !version.startsWith('0');
    const view = isNumber ? this.find(name, Number(version)) : undefined;
    if (view) return view;
    throw this.notFound(name.replace(/@.*/s, ''), version);
  }

  /** The view's version with the highest number, for what is the same in all of them. Throws feature_view_not_found. */
  known(name: string): FeatureView {
    const newest = this.newest(name);
    if (newest) return newest;
    throw this.notFound(name, undefined);
  }

  /** Takes the documents of a folder, with their faults. */
  static declared(views: readonly DeclaredView[], faults: readonly ViewFault[]): FeatureViews {
    const declared = new FeatureViews();
    declared.found.push(...faults);
    declared.declare(views);
    return declared;
  }

  private declare(views: readonly DeclaredView[]): void {
    const ordered = [...views].sort((left, right) => left.view.version - right.view.version);
    for (const { at, view } of ordered) {
      const faults = this.clashes(view);
      this.found.push(...faults.map((says) => ({ at, says })));
      if (faults.length === 0) this.add(view);
    }
  }

  private add(view: FeatureView): void {
    const versions = this.versions.get(view.name) ?? new Map<number, FeatureView>();
    const features = this.features.get(view.name) ?? new Map<string, Feature>();
    this.versions.set(view.name, versions.set(view.version, view));
    this.features.set(view.name, features);
    for (const feature of view.features) features.set(feature.name, feature);
  }

  /** What keeps a view from standing beside those that are declared already. */
  private clashes(view: FeatureView): string[] {
    const [other] = this.versionsOf(view.name);
    if (this.find(view.name, view.version)) return [`${viewReference(view)} is declared twice`];
    const twin = this.versionsOf(view.name).find(({ contentHash }) => contentHash === view.contentHash);
    const faults = twin
      ? [`${viewReference(view)} has the content of ${viewReference(twin)}; write another number`]
      : [];
    if (other && entityText(other) !== entityText(view)) {
      faults.push(`${viewReference(view)} has other entities than ${viewReference(other)}; give the view a new name`);
    }
    const known = this.featuresOf(view.name);
    return [...faults, ...view.features.flatMap((feature) => retyped(view, feature, known.get(feature.name)))];
  }

  private notFound(name: string, version: string | undefined): QuaysideError {
    const versions = this.versionsOf(name);
    const newest = versions.at(-1);
    if (!newest) {
      const says = `No feature view is called ${JSON.stringify(name.slice(0, 64))}.${this.others()}`;
      return new QuaysideError('feature_view_not_found', says);
    }
    const says =
      version === undefined
        ? `"${name}" names no version. Pin one: the newest is ${viewReference(newest)}.`
        : `"${name}" has no version ${version}. Versions: ${versions.map((view) => view.version).join(', ')}.`;
    return new QuaysideError('feature_view_version_not_found', says);
  }

  private others(): string {
    const names = [...this.versions.keys()].sort();
    return names.length === 0 ? ' There is none.' : ` There are: ${names.slice(0, 20).join(', ')}.`;
  }
}

/** Reads every `*.yaml` and `*.yml` of a folder, by name. A folder that is not there has no views. */
export async function readFeatureViews(directory: string): Promise<FeatureViews> {
  const views: DeclaredView[] = [];
  const faults: ViewFault[] = [];
  for (const file of await yamlFiles(directory)) {
    const { documents, fault } = await readDocuments(join(directory, file));
    if (fault !== undefined) faults.push({ at: file, says: fault });
    for (const [index, document] of documents.entries()) {
      const at = documents.length > 1 ? `${file}#${index + 1}` : file;
      const read = views.length < VIEW_LIMITS.documents ? readViewDocument(document) : TOO_MANY;
      if ('view' in read) views.push({ at, view: read.view });
      else faults.push(...read.faults.map((says) => ({ at, says })));
    }
  }
  return FeatureViews.declared(views, faults);
}

const TOO_MANY = { faults: [`the folder declares more than ${VIEW_LIMITS.documents} views`] };

async function yamlFiles(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { recursive: true });
    return entries.filter((name) => /\.ya?ml$/.test(name)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function readDocuments(path: string): Promise<{ documents: unknown[]; fault?: string }> {
  try {
    const file = await stat(path);
    // A pipe, for one, would be waited for as long as nobody writes into it.
    if (!file.isFile()) throw new Error('is not a file');
    if (file.size > VIEW_LIMITS.fileBytes) throw new Error(`is larger than ${VIEW_LIMITS.fileBytes} bytes`);
    const parsed = parseAllDocuments(await readFile(path, 'utf8'), { stringKeys: true, logLevel: 'error' });
    const documents = 'empty' in parsed ? [] : parsed;
    const [problem] = documents.flatMap(({ errors, warnings }) => [...errors, ...warnings]);
    if (problem) throw problem;
    // Aliases are refused: nothing in a view needs them, and nested they grow without bound.
    const contents = documents.map((document) => document.toJS({ maxAliasCount: 0 }) as unknown);
    return { documents: contents.filter((content) => content !== null) };
  } catch (error) {
    const [sentence = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
    return { documents: [], fault: `cannot be read: ${sentence}` };
  }
}

function retyped(view: FeatureView, feature: Feature, known: Feature | undefined): string[] {
  if (!known || typeText(known) === typeText(feature)) return [];
  const says = `is ${typeText(feature)}, and was ${typeText(known)}; a feature keeps its type for ever: give it a new name`;
  return [`${viewReference(view)}: "${feature.name}" ${says}`];
}

/** How a feature's type is written for people: `FP32`, `FP32[64]`. */
export function typeText({ dtype, shape }: { readonly dtype: string; readonly shape?: readonly number[] }): string {
  return shape ? `${dtype}[${shape.join(',')}]` : dtype;
}

function entityText({ entities }: Pick<FeatureView, 'entities'>): string {
  return entities.map(({ name, dtype }) => `${name} ${dtype}`).join(', ');
}
