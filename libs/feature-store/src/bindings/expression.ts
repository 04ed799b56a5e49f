import { BindingFault } from './binding-fault';

/** What a column's `from` says, before anything in it is looked up. */
export type Expression =
  | { readonly kind: 'request'; readonly field: string }
  | FeatureExpression
  /** As it is written; what it is used for gives it a type. */
  | { readonly kind: 'const'; readonly text: string }
  | TransformExpression;

/** `feature:user_stats@3:country`. Without a version it is a fault, which only the catalogue of views can word. */
export interface FeatureExpression {
  readonly kind: 'feature';
  readonly view: string;
  readonly version: number | undefined;
  readonly feature: string;
}

/** `transform:ratio@1(request.amount, feature:user_stats@3:income)`. */
export interface TransformExpression {
  readonly kind: 'transform';
  readonly name: string;
  readonly version: number;
  readonly args: readonly Expression[];
}

/**
 * Reads an expression. Arguments of a transform are expressions too, and may be bare: numbers, true, false, and texts in
 * double quotes. Throws BindingFault.
 */
export function parseExpression(text: string): Expression {
  const [, kind, rest = ''] = /^(request\.|feature:|transform:|const:)(.+)$/s.exec(text) ?? [];
  if (kind === 'request.') return { kind: 'request', field: rest };
  if (kind === 'feature:') return parseFeature(rest);
  if (kind === 'transform:') return parseTransform(rest);
  if (kind === 'const:') return { kind: 'const', text: rest };
  throw new BindingFault(
    `"${text}" is none of request.<field>, feature:<view>@<version>:<feature>, transform:<name>@1(…), const:<value>`,
  );
}

function parseFeature(text: string): FeatureExpression {
  const [, view, version = '', feature] = /^([^@:]+)(?:@([^:]*))?:(.+)$/.exec(text) ?? [];
  if (view === undefined || feature === undefined) {
    throw new BindingFault(`"feature:${text}" must be feature:<view>@<version>:<feature>`);
  }
  return { kind: 'feature', view, version: /^[1-9]\d{0,8}$/.test(version) ? Number(version) : undefined, feature };
}

function parseTransform(text: string): TransformExpression {
  const [, name, version, args] = /^([a-z0-9_]+)(?:@([1-9]\d{0,8}))?\((.*)\)$/s.exec(text) ?? [];
  if (name === undefined || args === undefined) {
    throw new BindingFault(`"transform:${text}" must be transform:<name>@<version>(<arguments>)`);
  }
  if (version === undefined) throw new BindingFault(`the transform "${name}" is not pinned; write ${name}@1`);
  return { kind: 'transform', name, version: Number(version), args: splitArguments(args).map(parseArgument) };
}

function parseArgument(text: string): Expression {
  const bare = /^("(?:[^"\\]|\\.)*"|true|false|[-+]?[0-9.][0-9.eE+-]*)$/.test(text);
  return bare ? { kind: 'const', text } : parseExpression(text);
}

/** Splits at the commas that stand in no quotes and no parentheses. */
function splitArguments(text: string): readonly string[] {
  const parts: string[] = [''];
  let depth = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[^]/g)) {
    if (token === '(') depth++;
    if (token === ')') depth--;
    if (token === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += token;
  }
  return parts.map((part) => part.trim());
}
