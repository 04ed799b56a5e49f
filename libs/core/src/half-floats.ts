/** The two 16-bit floating point types. */
export type HalfDtype = 'FP16' | 'BF16';

interface HalfFormat {
  readonly mantissaBits: number;
  /** The exponent of the smallest normal number; subnormals share it. */
  readonly minExponent: number;
  /** The bits of +Infinity; every NaN is above. */
  readonly infinity: number;
  readonly quietNan: number;
}

const FORMATS: Readonly<Record<HalfDtype, HalfFormat>> = {
  FP16: { mantissaBits: 10, minExponent: -14, infinity: 0x7c00, quietNan: 0x7e00 },
  BF16: { mantissaBits: 7, minExponent: -126, infinity: 0x7f80, quietNan: 0x7fc0 },
};

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
/** Adding and subtracting it rounds a double below 2^52 to a whole number, ties to even. */
const ROUND_TO_EVEN = 2 ** 52;

/**
 * The bits of the FP16 or BF16 number nearest to `value`, ties to even, rounded once from the double: going through
 * FP32 first would round twice. What overflows becomes an infinity; NaN becomes the quiet NaN.
 */
export function halfBits(dtype: HalfDtype, value: number): number {
  const { mantissaBits, minExponent, infinity, quietNan } = FORMATS[dtype];
  if (Number.isNaN(value)) return quietNan;
  double[0] = value;
  const high = words[1] ?? 0;
  const sign = (high >>> 31) << 15;
  const exponent = Math.max(((high >>> 20) & 0x7ff) - 1023, minExponent);
  const units = Math.abs(value) * 2 ** (mantissaBits - exponent);
  const rounded = units + ROUND_TO_EVEN - ROUND_TO_EVEN;
  // `rounded` still has its leading one, so each exponent above the smallest adds one step of the exponent field, and
  // a carry out of the mantissa lands in it by itself.
  const magnitude = (exponent - minExponent) * 2 ** mantissaBits + rounded;
  return sign | Math.min(magnitude, infinity);
}

/** The exact value of FP16 or BF16 bits. */
export function halfValue(dtype: HalfDtype, bits: number): number {
  const { mantissaBits, minExponent, infinity } = FORMATS[dtype];
  const sign = bits & 0x8000 ? -1 : 1;
  const magnitude = bits & 0x7fff;
  if (magnitude >= infinity) return magnitude === infinity ? sign * Infinity : NaN;
  const step = 2 ** mantissaBits;
  const field = Math.floor(magnitude / step);
  const units = field === 0 ? magnitude : (magnitude % step) + step;
  return sign * units * 2 ** (minExponent - mantissaBits + Math.max(field - 1, 0));
}

/** Whether FP16 or BF16 bits are neither an infinity nor NaN. */
export function isHalfFinite(dtype: HalfDtype, bits: number): boolean {
  return (bits & 0x7fff) < FORMATS[dtype].infinity;
}
