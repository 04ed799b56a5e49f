import { encodeTimestamp } from '@app/core';
import type { FeatureRecord } from '@app/feature-store';
import type { FieldRules } from './field-rules';
import { writeJson } from './log-json';
import { type LogSide, finishedSide } from './log-sides';
import type { Redactor } from './redaction';

/** What was written of where a column's value came from, the last time. */
interface Origin extends Omit<FeatureRecord, 'name' | 'value' | 'eventTsUs'> {
  readonly text: string;
}

/**
 * `{column: {v, st, src, view, f, why, ts}}`: what the model was given of each column, and where that came from, which is the
 * same in most rows and is written once. With eighteen columns that is most of what a row costs.
 */
export class FeaturesWriter {
  private readonly origins = new Map<string, Origin>();
  private timestamp: { readonly us: bigint; readonly text: string } = { us: 0n, text: encodeTimestamp(0n) };

  constructor(private readonly redactor: Redactor) {}

  /** The features of one row as a side of the log. */
  side(features: readonly FeatureRecord[], rules: FieldRules): LogSide {
    let [text, redacted] = ['', false];
    for (const feature of features) {
      const rule = rules.get(feature.name) ?? 'keep';
      redacted ||= rule !== 'keep';
      const value = this.redactor.apply(feature.value, rule);
      const shown = value === undefined ? '' : `"v":${writeJson(value)},`;
      text += `${text === '' ? '{' : ','}${JSON.stringify(feature.name)}:{${shown}${this.originOf(feature)}}`;
    }
    return finishedSide(text === '' ? '{}' : `${text}}`, redacted);
  }

  private originOf({ name, source, status, reason, view, feature, eventTsUs }: FeatureRecord): string {
    let known = this.origins.get(name);
    if (
      known?.source !== source ||
      known.status !== status ||
      known.view !== view ||
      known.feature !== feature ||
      known.reason !== reason
    ) {
      const text = JSON.stringify({ st: status, src: source, view, f: feature, why: reason }).slice(1, -1);
      known = { source, status, reason, view, feature, text };
      this.origins.set(name, known);
    }
    return eventTsUs === undefined ? known.text : `${known.text},"ts":"${this.timestampOf(eventTsUs)}"`;
  }

  private timestampOf(us: bigint): string {
    if (this.timestamp.us !== us) this.timestamp = { us, text: encodeTimestamp(us) };
    return this.timestamp.text;
  }
}
