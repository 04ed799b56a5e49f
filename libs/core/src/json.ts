/** A number written with exact digits, made by `JSON.rawJSON`: `-0`, or an integer beyond 2^53 - 1. */
export type RawJson = { readonly rawJSON: string };

/** A value that `JSON.stringify` writes as intended, without losing a sign or a digit. */
export type JsonValue =
  null | boolean | number | string | RawJson | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/**
 * An object that came from a client's JSON. Keys are the client's; look one up by a name that is not a constant with
 * `ownValue`, as the object may have the usual prototype.
 */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** The value of a key that the object itself has; undefined for others, `toString` and `constructor` among them. */
export function ownValue(record: JsonRecord, key: string): unknown {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}
