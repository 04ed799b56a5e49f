import {
  type Dtype,
  INTEGER_RANGE,
  type StoredDtype,
  type StoredScalar,
  floatsOf,
  isInteger,
  tensorOf,
} from '@app/core';

/** Makes a value of one dtype one of another; undefined where that value cannot be one without a loss. */
export type Cast = (value: StoredScalar) => StoredScalar | undefined;

/** Casts that a column allows beside those that lose nothing. */
export type CastMode = 'exact' | 'round';

type FloatDtype = keyof typeof WHOLE_LIMIT;

/** Up to here a float of the dtype holds every whole number. */
const WHOLE_LIMIT = { FP64: 2n ** 53n, FP32: 2n ** 24n, FP16: 2n ** 11n, BF16: 2n ** 8n } as const;

/** From each float to those that hold all of its values. */
const WIDER: Readonly<Record<FloatDtype, readonly FloatDtype[]>> = {
  FP64: ['FP64'],
  FP32: ['FP32', 'FP64'],
  FP16: ['FP16', 'FP32', 'FP64'],
  BF16: ['BF16', 'FP32', 'FP64'],
};

/**
 * The cast from what a source has to what a model takes; undefined where there is none, whatever the value.
 *
 * - to the same dtype, integers to those that hold all of their values, floats to wider floats: always
 * - integers to floats: up to 2^53, 2^24, 2^11 (FP16), 2^8 (BF16); beyond them with `round`, to the nearest even
 * - floats to other floats: to the nearest even, unless a finite value becomes infinite
 * - floats to integers: with `exact` only, where the value is whole and in range
 * - BOOL to numbers: 0 and 1 · STRING to BYTES: as UTF-8 · BYTES to BYTES: where it is UTF-8 · TIMESTAMP to INT64:
 *   microseconds since 1970
 *
 * Integers of 64 bits are bigints, text and BYTES are texts.
 */
export function castOf(from: StoredDtype, to: Dtype, mode?: CastMode): Cast | undefined {
  if (from === 'STRING') return to === 'BYTES' ? same : undefined;
  if (from === 'BYTES') return to === 'BYTES' ? utf8Text : undefined;
  if (from === 'TIMESTAMP') return to === 'INT64' ? same : undefined;
  if (to === 'BYTES') return undefined;
  if (from === to) return same;
  if (from === 'BOOL') return (value) => integerOf(to, value ? 1n : 0n);
  if (to === 'BOOL') return undefined;
  return castNumber(from, to, mode);
}

function castNumber(from: NumberDtype, to: NumberDtype, mode: CastMode | undefined): Cast | undefined {
  if (isInteger(from)) return isInteger(to) ? castInteger(from, to) : integerToFloat(to, mode);
  if (!isInteger(to)) return WIDER[from].includes(to) ? same : narrowFloat(to);
  return mode === 'exact' ? floatToInteger(to) : undefined;
}

type NumberDtype = Exclude<Dtype, 'BOOL' | 'BYTES'>;

const same: Cast = (value) => value;

function castInteger(from: keyof typeof INTEGER_RANGE, to: keyof typeof INTEGER_RANGE): Cast | undefined {
  const [least, most] = INTEGER_RANGE[to];
  const holdsAll = INTEGER_RANGE[from][0] >= least && INTEGER_RANGE[from][1] <= most;
  return holdsAll ? (value) => integerOf(to, BigInt(value as number | bigint)) : undefined;
}

function integerToFloat(to: FloatDtype, mode: CastMode | undefined): Cast {
  const limit = WHOLE_LIMIT[to];
  return (value) => {
    const whole = BigInt(value as number | bigint);
    if (whole >= -limit && whole <= limit) return Number(whole);
    return mode === 'round' ? finite(rounded(to, whole)) : undefined;
  };
}

function narrowFloat(to: FloatDtype): Cast {
  return (value) => {
    const narrow = toFloat(to, value as number);
    return Number.isFinite(value) ? finite(narrow) : narrow;
  };
}

function floatToInteger(to: keyof typeof INTEGER_RANGE): Cast {
  const [least, most] = INTEGER_RANGE[to];
  return (value) => {
    if (!Number.isInteger(value)) return undefined;
    const whole = BigInt(value as number);
    return whole >= least && whole <= most ? integerOf(to, whole) : undefined;
  };
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const utf8Text: Cast = (value) => {
  if (typeof value === 'string') return value;
  try {
    return utf8.decode(value as Uint8Array);
  } catch {
    return undefined;
  }
};

function integerOf(to: Dtype, value: bigint): StoredScalar {
  return to === 'INT64' || to === 'UINT64' ? value : Number(value);
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}

/** Rounded once: by way of FP64, a large integer near the middle of two floats would be rounded twice. */
function rounded(to: FloatDtype, whole: bigint): number {
  if (to === 'FP64') return Number(whole);
  const magnitude = whole < 0n ? -whole : whole;
  // The last of 53 bits stands for all that are cut off, and is too small to matter except in a tie.
  const cut = magnitude >> 11n;
  const sticky = (magnitude & 2047n) === 0n ? cut : cut | 1n;
  const near = magnitude <= WHOLE_LIMIT.FP64 ? Number(magnitude) : Number(sticky) * 2048;
  return toFloat(to, whole < 0n ? -near : near);
}

function toFloat(to: FloatDtype, value: number): number {
  if (to === 'FP64') return value;
  if (to === 'FP32') return Math.fround(value);
  return floatsOf(tensorOf(to, [1], [value]))[0] ?? NaN;
}
