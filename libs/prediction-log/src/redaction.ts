import { createHmac } from 'node:crypto';
import type { FieldRule } from '@app/model-registry';
import { type FieldRules, hidesAny } from './field-rules';

const MASK = '***';

/** Hides what the rules say, before anything is queued. */
export class Redactor {
  constructor(private readonly hashKey: string | Uint8Array) {}

  /** The value with each field at whatever depth as its rule says; the same value where no rule hides anything. */
  redact(value: unknown, rules: FieldRules): unknown {
    return hidesAny(rules) ? this.walk(value, rules) : value;
  }

  /** One value as its rule says; undefined where it is dropped. Text is cut by characters; what is no text is masked instead. */
  apply(value: unknown, rule: FieldRule): unknown {
    if (rule === 'keep') return value;
    if (rule === 'drop') return undefined;
    if (rule === 'hash') return this.hash(value);
    if (rule === 'mask' || typeof value !== 'string') return MASK;
    return [...value].slice(0, rule.truncate).join('');
  }

  /** HMAC-SHA-256 of a text, of bytes, or of the JSON of anything else: equal values give equal texts. */
  hash(value: unknown): string {
    const content = typeof value === 'string' || value instanceof Uint8Array ? value : (JSON.stringify(value) ?? '');
    return `hmac-sha256:${createHmac('sha256', this.hashKey).update(content).digest('hex')}`;
  }

  private walk(value: unknown, rules: FieldRules): unknown {
    if (typeof value !== 'object' || value === null || isRawJson(value)) return value;
    if (Array.isArray(value)) return value.map((item) => this.walk(item, rules));
    const kept: Record<string, unknown> = Object.create(null);
    for (const [name, content] of Object.entries(value)) {
      const rule = rules.get(name);
      const shown = rule === undefined ? this.walk(content, rules) : this.apply(content, rule);
      if (shown !== undefined) kept[name] = shown;
    }
    return kept;
  }
}

/** Whether it is a number with exact digits, which `JSON.stringify` alone knows how to write. */
export function isRawJson(value: object): value is { readonly rawJSON: string } {
  // TypeScript's library does not know it yet.
  return (JSON as unknown as { isRawJSON(value: object): boolean }).isRawJSON(value);
}
