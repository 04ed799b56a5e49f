/**
 * How many characters a text has, counted as JSON Schema counts: Unicode code points. Half of a surrogate pair counts
 * as one.
 */
export function codePointLength(text: string): number {
  let count = text.length;
  for (let index = 1; index < text.length; index++) {
    if (isSurrogate(text, index, 0xdc00) && isSurrogate(text, index - 1, 0xd800)) count--;
  }
  return count;
}

function isSurrogate(text: string, index: number, half: 0xd800 | 0xdc00): boolean {
  return (text.charCodeAt(index) & 0xfc00) === half;
}
