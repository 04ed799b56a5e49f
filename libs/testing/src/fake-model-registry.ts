import { createHash } from 'node:crypto';
import { type Clock, SystemClock } from '@app/core';
import {
  DEFAULT_MANIFEST,
  type FoundVersion,
  type ModelSettings,
  ModelTable,
  type ModelVersion,
} from '@app/model-registry';

/** A version to be made up: whatever a test does not care for has a default. */
export type VersionToMake = Partial<Omit<ModelVersion, 'digest'>> & {
  readonly model: string;
  /** Stands for the bytes of the files: another content is another digest. Default: none. */
  readonly content?: string;
};

/** A version of no real model: `x` FP32 `[rows, columns]` comes back as `y`, if nothing else is said. */
export function aModelVersion({ content = '', ...version }: VersionToMake): ModelVersion {
  const name = version.version ?? '1';
  const directory = `/models/${version.model}/${name}`;
  const shape = ['rows', 'columns'];
  return {
    version: name,
    digest: createHash('sha256').update(`${version.model}@${name}:${content}`).digest('hex'),
    files: { directory, onnx: `${directory}/model.onnx`, all: [] },
    manifest: DEFAULT_MANIFEST,
    task: 'tensors',
    taskReason: 'Made up for a test.',
    signature: { inputs: [{ name: 'x', dtype: 'FP32', shape }], outputs: [{ name: 'y', dtype: 'FP32', shape }] },
    metadata: { producer: 'test', opsets: { '': 21 }, properties: {} },
    ...version,
  };
}

interface FakeModel {
  settings: ModelSettings;
  readonly versions: Map<string, FoundVersion>;
}

/**
 * A registry whose models are made up and whose loads are scripted. Versions, policies, states and retries behave as in
 * the real one; there is no folder, and a version is ready as soon as its checks pass.
 *
 *     const registry = new FakeModelRegistry();
 *     registry.add({ model: 'sentiment', task: 'text-classification' });
 */
export class FakeModelRegistry extends ModelTable {
  private readonly fakes = new Map<string, FakeModel>();
  private readonly faults = new Map<string, Error>();
  private readonly held = new Map<string, Promise<void>>();

  constructor(clock: Clock = new SystemClock()) {
    super({ clock });
    this.beforeServing('load', (version) => this.load(version));
  }

  /** Puts a version in, or changes the one of this name. */
  add(version: VersionToMake): ModelVersion {
    const made = aModelVersion(version);
    this.change(made.model, ({ versions }) =>
      versions.set(made.version, { version: made.version, createdAtMs: 0, details: made }),
    );
    return made;
  }

  /** Puts a version in whose files cannot be served. */
  addUnreadable(version: { readonly model: string; readonly version: string; readonly reason: string }): void {
    this.change(version.model, ({ versions }) => versions.set(version.version, { ...version, createdAtMs: 0 }));
  }

  /** Takes a version out. */
  remove(model: string, version: string): void {
    this.change(model, ({ versions }) => versions.delete(version));
  }

  /** Changes what a model's manifest says of all its versions. */
  configure(model: string, settings: Partial<ModelSettings>): void {
    this.change(model, (fake) => (fake.settings = { ...fake.settings, ...settings }));
  }

  /** Lets loads of the version fail with this error until `heal`. */
  fail(version: { readonly model: string; readonly version: string }, error: Error): void {
    this.faults.set(nameOf(version), error);
  }

  /** Ends what `fail` began. */
  heal(version: { readonly model: string; readonly version: string }): void {
    this.faults.delete(nameOf(version));
  }

  /** Lets loads of the version wait until the function that this gives is called. */
  hold(version: { readonly model: string; readonly version: string }): () => void {
    const gate = Promise.withResolvers<void>();
    this.held.set(nameOf(version), gate.promise);
    return () => {
      this.held.delete(nameOf(version));
      gate.resolve();
    };
  }

  private async load(version: ModelVersion): Promise<void> {
    await this.held.get(nameOf(version));
    const fault = this.faults.get(nameOf(version));
    if (fault) throw fault;
  }

  private change(model: string, edit: (fake: FakeModel) => unknown): void {
    const settings: ModelSettings = { policy: { latest: 1 }, labels: {}, pinned: false };
    const fake = this.fakes.get(model) ?? { settings, versions: new Map<string, FoundVersion>() };
    this.fakes.set(model, fake);
    edit(fake);
    this.replace(model, fake.settings, [...fake.versions.values()]);
  }
}

function nameOf({ model, version }: { readonly model: string; readonly version: string }): string {
  return `${model}@${version}`;
}
