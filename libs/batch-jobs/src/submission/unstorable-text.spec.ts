import fc from 'fast-check';
import { hasUnstorableText } from './unstorable-text';

describe(hasUnstorableText, () => {
  it.each([['a\u0000'], [{ 'a\u0000': 1 }], [[{ a: ['\udc00'] }]], [{ a: { '\ud800': null } }]])(
    'finds it in %j',
    (value) => {
      expect(hasUnstorableText(value)).toBe(true);
    },
  );

  it('finds none in what jsonb takes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        fc.pre(!text.includes('\\u'));
        expect(hasUnstorableText(value)).toBe(false);
      }),
    );
    expect(hasUnstorableText({ '😀': ['\\u0000', 1, null, true, undefined] })).toBe(false);
  });
});
