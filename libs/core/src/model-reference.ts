/** A model as a caller names it: `name`, `name@version` or `name@label`. */
export interface ModelReference {
  readonly model: string;
  /** A version or a label; absent: the version that the model's policy serves by default. */
  readonly version: string | undefined;
}

/** What a model and a version may be called; `stats` is reserved for routes. */
export const MODEL_NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Splits `name[@version-or-label]`. Whether it exists is the registry's to say; no name contains `@`. */
export function parseModelReference(text: string): ModelReference {
  const at = text.indexOf('@');
  return at < 0 ? { model: text, version: undefined } : { model: text.slice(0, at), version: text.slice(at + 1) };
}
