import { type StoredDtype, type StoredValue, decodeStoredInput, isQuaysideError } from '@app/core';
import { parseDuration } from './duration';
import type { Entity, Feature, FeatureView, FieldTag, OnMissing, OnStale, OnTimeout } from './feature-view';
import { type ViewContent, contentHash } from './view-content';
import { type FeatureDocument, type ViewDocument, schemaFaults } from './view-schema';

/** Most elements of an array feature. */
const ELEMENT_LIMIT = 65_536;

/** What became of a document: a view, or everything that is wrong with it, a sentence each. */
export type ReadDocument = { readonly view: FeatureView } | { readonly faults: readonly string[] };

/** The view that a parsed YAML document declares, with every default filled in. */
export function readViewDocument(document: unknown): ReadDocument {
  const misfits = schemaFaults(document);
  if (misfits.length > 0) return { faults: misfits };
  const reading = new Reading(document as ViewDocument);
  const view = reading.view();
  return reading.faults.length > 0 ? { faults: reading.faults } : { view };
}

/** One document that fits the schema, being read; what no schema can say is collected in `faults`. */
class Reading {
  readonly faults: string[] = [];

  constructor(private readonly document: ViewDocument) {}

  view(): FeatureView {
    const { name, version, owner, description } = this.document;
    const maxAgeUs = this.maxAge();
    const content: ViewContent = {
      entities: this.entities(),
      ...(maxAgeUs !== undefined && { maxAgeUs }),
      features: this.features(),
      retention: this.retention(maxAgeUs),
      ...(owner !== undefined && { owner }),
      ...(description !== undefined && { description }),
    };
    const hash = this.faults.length === 0 ? contentHash(content) : '';
    return Object.freeze({ name, version, ...content, contentHash: hash });
  }

  private maxAge(): bigint | undefined {
    const { max_age: maxAge, ttl } = this.document;
    if (maxAge !== undefined && ttl !== undefined) this.faults.push('max_age and ttl say the same; write one of them');
    return this.duration(maxAge ?? ttl, maxAge === undefined ? 'ttl' : 'max_age');
  }

  private retention(maxAgeUs: bigint | undefined): FeatureView['retention'] {
    const onlineUs = this.duration(this.document.retention?.online, 'retention.online');
    const historyUs = this.duration(this.document.retention?.history, 'retention.history');
    if (onlineUs !== undefined && maxAgeUs !== undefined && onlineUs < maxAgeUs) {
      this.faults.push('retention.online must not be shorter than max_age: a stale row would look like none');
    }
    return { ...(onlineUs !== undefined && { onlineUs }), ...(historyUs !== undefined && { historyUs }) };
  }

  private duration(text: string | undefined, at: string): bigint | undefined {
    const micros = text === undefined ? undefined : parseDuration(text);
    if (text !== undefined && micros === undefined) this.faults.push(`${at} must not be longer than 36500d`);
    return micros;
  }

  private entities(): readonly Entity[] {
    this.refuseTwins('entities', this.document.entities);
    return sortedByName(this.document.entities as readonly Entity[]);
  }

  private features(): readonly Feature[] {
    const { entities, features } = this.document;
    this.refuseTwins('features', features);
    for (const { name } of entities) {
      if (features.some((feature) => feature.name === name)) this.faults.push(`"${name}" is both entity and feature`);
    }
    return sortedByName(features.map((feature, index) => this.feature(feature, `features[${index}]`)));
  }

  private refuseTwins(at: string, items: readonly { readonly name: string }[]): void {
    const seen = new Set<string>();
    for (const { name } of items) {
      if (seen.has(name)) this.faults.push(`${at} has "${name}" twice`);
      seen.add(name);
    }
  }

  private feature(written: FeatureDocument, at: string): Feature {
    const dtype = written.dtype as StoredDtype;
    const elements = (written.shape ?? []).reduce((product, size) => product * size, 1);
    if (elements > ELEMENT_LIMIT) this.faults.push(`${at}.shape has more than ${ELEMENT_LIMIT} elements`);
    const value = elements > ELEMENT_LIMIT ? undefined : this.defaultOf(written, at);
    const hasDefault = written.default !== undefined && written.default !== null;
    this.checkPolicies(written, { at, hasDefault });
    return Object.freeze({
      name: written.name,
      dtype,
      ...(written.shape && { shape: written.shape }),
      ...(value !== undefined && { default: value }),
      onMissing: (written.on_missing as OnMissing | undefined) ?? (hasDefault ? 'default' : 'error'),
      onStale: (written.on_stale as OnStale | undefined) ?? 'missing',
      onTimeout: (written.on_timeout as OnTimeout | undefined) ?? 'error',
      ...(written.pii !== undefined && { pii: written.pii as FieldTag }),
    });
  }

  private defaultOf({ dtype, shape, default: written }: FeatureDocument, at: string): StoredValue | undefined {
    if (written === undefined || written === null) return undefined;
    try {
      const target = { dtype: dtype as StoredDtype, ...(shape && { shape }), field: `${at}.default` };
      return decodeStoredInput(target, written);
    } catch (error) {
      if (!isQuaysideError(error)) throw error;
      this.faults.push(...error.details.map(({ message }) => message.replace(/\.$/, '')));
      return undefined;
    }
  }

  private checkPolicies(written: FeatureDocument, { at, hasDefault }: { at: string; hasDefault: boolean }): void {
    if (written.default === null) this.faults.push(`${at}.default must not be null; leave it out`);
    if (written.on_missing === 'default' && !hasDefault) this.faults.push(`${at}.on_missing is default; it has none`);
    if (written.on_stale === 'default' && !hasDefault) this.faults.push(`${at}.on_stale is default; it has none`);
    if (written.on_missing === 'nan' && !written.dtype.startsWith('FP')) {
      this.faults.push(`${at}.on_missing is nan, which only FP16, FP32 and FP64 have`);
    }
  }
}

function sortedByName<T extends { readonly name: string }>(items: readonly T[]): readonly T[] {
  return [...items].sort((left, right) => (left.name < right.name ? -1 : 1));
}
