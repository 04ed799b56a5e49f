import { type Dtype, type JsonValue, type StoredScalar, encodeStored } from '@app/core';
import type { GivenValue } from './bindings';

/** A value of the model's dtype, of which not a bit is lost on the way to its tensor and to the log. */
export function givenValue(dtype: Dtype, value: StoredScalar): GivenValue {
  // Casts have made text of BYTES.
  const logged = encodeStored(dtype === 'BYTES' ? 'STRING' : dtype, value);
  return { json: asJson(value), logged };
}

/** What the model's task reads it from. */
function asJson(value: StoredScalar): JsonValue {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  return value as string | boolean;
}
