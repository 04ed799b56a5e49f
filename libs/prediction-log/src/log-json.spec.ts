import fc from 'fast-check';
import { hasNonFinite, toLogJson } from './log-json';

const { rawJSON } = JSON as unknown as { rawJSON(text: string): object };

describe(toLogJson.name, () => {
  it.each([
    [{ a: -0, b: [Number.NaN, Infinity, -Infinity] }, '{"a":"-0","b":["NaN","Infinity","-Infinity"]}'],
    [{ a: rawJSON('-0'), b: rawJSON('9007199254740993') }, '{"a":"-0","b":9007199254740993}'],
    [{ a: 0, b: 1.5 }, '{"a":0,"b":1.5}'],
  ])('writes numbers that jsonb would change as texts: %j', (value, text) => {
    expect(toLogJson(value)).toEqual({ text, sanitized: false });
  });

  it('replaces what jsonb refuses, in values and names, and nothing that only looks like it', () => {
    expect(toLogJson({ 'a\u0000': 'b\ud800', c: '\ude00d', pair: '😀', kept: '\\u0000 \\\\u0000' })).toEqual({
      text: JSON.stringify({ 'a\uFFFD': 'b\uFFFD', c: '\uFFFDd', pair: '😀', kept: '\\u0000 \\\\u0000' }),
      sanitized: true,
    });
  });

  it('gives text that is well-formed and without U+0000 for any JSON', () => {
    fc.assert(
      fc.property(fc.anything({ values: [fc.string({ unit: 'binary' }), fc.double(), fc.boolean()] }), (value) => {
        const { text } = toLogJson({ value: JSON.parse(JSON.stringify({ value })) });
        expect(text).not.toMatch(/(?<!\\)(\\\\)*\\u0000/);
        expect(text.isWellFormed()).toBe(true);
        expect(() => JSON.parse(text) as unknown).not.toThrow();
      }),
    );
  });
});

describe(hasNonFinite.name, () => {
  it.each([
    [{ value: 'NaN' }, true],
    [{ rows: [[1, 'Infinity']] }, true],
    [{ value: Number.NaN }, true],
    [{ value: 'nan', label: 'x', n: null }, false],
  ])('knows %j', (value, has) => {
    expect(hasNonFinite(value)).toBe(has);
  });
});
