import fc from 'fast-check';
import { codePointLength } from './text';

describe(codePointLength.name, () => {
  it('counts an emoji as one, its variation selector and joined accents as their own', () => {
    expect(['', 'abc', '😀', '❤\ufe0f', 'e\u0301', '😀é😀'].map(codePointLength)).toEqual([0, 3, 1, 2, 2, 3]);
  });

  it('counts half of a surrogate pair as one', () => {
    expect(['\ud83d', 'a\ude00b', '\ude00\ud83d', '\ud83d😀'].map(codePointLength)).toEqual([1, 3, 2, 2]);
  });

  it('agrees with the string iterator on any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => codePointLength(text) === [...text].length));
  });
});
