import type { FeatureViews, FieldTag } from '@app/feature-store';
import type { FieldRule, Manifest } from '@app/model-registry';

/** Rules by name of a field. */
export type FieldRules = ReadonlyMap<string, FieldRule>;

const REQUEST = /request\.([^\s,()]+)/g;
const FEATURE = /feature:([^:\s,()]+):([^\s,()]+)/g;

/** Gives the rule that a stored feature's view has for it; undefined: none. `view` is `name@version`. */
export type FeatureRule = (view: string, feature: string) => FieldRule | undefined;

/**
 * What becomes of the fields of one model. Beside its own `log.fields`, a column has the rule of whatever it is made of:
 * request fields, and stored features whose view has a rule for them.
 */
export class ModelFieldRules {
  private readonly known = new WeakMap<Manifest, FieldRules>();

  constructor(private readonly featureRule: FeatureRule = () => undefined) {}

  /** Rules that change nothing are left out, so an empty map means that all is kept. */
  of(manifest: Manifest): FieldRules {
    const known = this.known.get(manifest);
    if (known) return known;
    const rules = new Map(Object.entries(manifest.log.fields));
    for (const { name, from } of manifest.tabular.columns ?? []) {
      const inherited = from === undefined ? undefined : this.ruleOfSource(from, rules);
      if (inherited !== undefined && !rules.has(name)) rules.set(name, inherited);
    }
    this.known.set(manifest, rules);
    return rules;
  }

  /** Of all that an expression takes its value from, the first rule that hides something. */
  private ruleOfSource(from: string, rules: FieldRules): FieldRule | undefined {
    const fields = Array.from(from.matchAll(REQUEST), ([, field = '']) => rules.get(field));
    const features = Array.from(from.matchAll(FEATURE), ([, view = '', feature = '']) =>
      this.featureRule(view, feature),
    );
    const rule = [...fields, ...features].find((each) => each !== undefined && each !== 'keep');
    // What a transform makes of a text may keep all of it, wherever that is cut.
    return typeof rule === 'object' && from.startsWith('transform:') ? 'mask' : rule;
  }
}

/** Whether any rule hides something. */
export function hidesAny(rules: FieldRules): boolean {
  for (const rule of rules.values()) if (rule !== 'keep') return true;
  return false;
}

/** What the author of a view, `name@version`, says of a feature's values in a log. */
export function ruleOfFeature(views: FeatureViews, view: string, feature: string): FieldRule | undefined {
  const [, name = '', version] = /^(.+)@(\d+)$/.exec(view) ?? [];
  const found = views.find(name, Number(version))?.features.find((each) => each.name === feature);
  return found?.pii === undefined ? undefined : toRule(found.pii);
}

function toRule(tag: FieldTag): FieldRule {
  if (tag === 'keep' || tag === 'drop' || tag === 'mask' || tag === 'hash') return tag;
  return { truncate: Number.parseInt(tag.slice('truncate('.length), 10) };
}
