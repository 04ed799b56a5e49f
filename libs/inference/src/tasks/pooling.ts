/** Token vectors of one row: `length` of them, each of `width` numbers, one after another from `start` on. */
export interface TokenVectors {
  readonly values: ArrayLike<number>;
  readonly start: number;
  readonly length: number;
  readonly width: number;
}

/** The mean over the tokens, in double precision. No tokens: zeros. */
export function meanOf({ values, start, length, width }: TokenVectors): Float64Array {
  const sum = new Float64Array(width);
  for (let token = 0; token < length; token += 1) {
    const from = start + token * width;
    for (let column = 0; column < width; column += 1) sum[column] += values[from + column];
  }
  return length === 0 ? sum : sum.map((total) => total / length);
}

/** The first token's vector. */
export function firstOf({ values, start, length, width }: TokenVectors): Float64Array {
  return Float64Array.from({ length: width }, (_, column) => (length === 0 ? 0 : values[start + column]));
}

/** The vector scaled to Euclidean length 1, in double precision; a vector of zeros stays as it is. */
export function unitOf(vector: Float64Array): Float64Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return length === 0 ? vector : vector.map((value) => value / length);
}
