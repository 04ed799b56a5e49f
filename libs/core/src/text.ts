const SURROGATE = /[\ud800-\udfff]/;

/**
 * How many characters a text has, counted as JSON Schema counts: Unicode code points. Half of a surrogate pair counts
 * as one.
 */
export function codePointLength(text: string): number {
  // The engine knows of most texts, without a look at each character, that they have no surrogates.
  if (!SURROGATE.test(text)) return text.length;
  let count = text.length;
  for (let index = 1; index < text.length; index++) {
    if (isHalf(text, index, 0xdc00) && isHalf(text, index - 1, 0xd800)) count--;
  }
  return count;
}

function isHalf(text: string, index: number, half: 0xd800 | 0xdc00): boolean {
  return (text.charCodeAt(index) & 0xfc00) === half;
}
