/** A number written with exact digits, made by `JSON.rawJSON`: `-0`, or an integer beyond 2^53 - 1. */
export type RawJson = { readonly rawJSON: string };

/** A value that `JSON.stringify` writes as intended, without losing a sign or a digit. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | RawJson
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/** An object that came from a client's JSON. Keys are the client's; there is no prototype to reach through them. */
export type JsonRecord = Readonly<Record<string, unknown>>;
