import { flattened, inPieces } from '@app/testing';
import fc from 'fast-check';
import { splitLines } from './split-lines';

const linesOf = async (content: Uint8Array | string, sizes?: readonly number[], maxBytes?: number) =>
  (await flattened(splitLines(inPieces(content, sizes), maxBytes))).map(({ line, bytes }) => [line, bytes.toString()]);

describe(splitLines.name, () => {
  it.each([
    ['', []],
    ['a', [[1, 'a']]],
    ['a\n', [[1, 'a']]],
    [
      'a\nb',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    [
      'a\r\nb\r\n',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    ['\n\r\n \t\na\n\n', [[4, 'a']]],
    ['  a b \t\n', [[1, 'a b']]],
    [
      '\ufeffa\n\ufeff\nb\n \ufeff c',
      [
        [1, 'a'],
        [3, 'b'],
        [4, 'c'],
      ],
    ],
    ['a\rb\u2028c\n', [[1, 'a\rb\u2028c']]],
  ])('reads %j', async (content, lines) => {
    expect(await linesOf(content)).toEqual(lines);
    expect(await linesOf(content, [1])).toEqual(lines);
  });

  it('gives the same lines however the input arrives', async () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'é', '😀', ' ', '\t', '\r', '"', '\u2028'), maxLength: 30 });
    const input = fc.array(fc.tuple(line, fc.constantFrom('\n', '\r\n')));
    await fc.assert(
      fc.asyncProperty(input, fc.array(fc.integer({ min: 1, max: 50 })), async (lines, sizes) => {
        const expected = lines
          .map(([text], at) => [at + 1, text.replace(/^[ \t\r]+|[ \t\r]+$/g, '')])
          .filter(([, text]) => text !== '');
        expect(await linesOf(lines.map((parts) => parts.join('')).join(''), sizes)).toEqual(expected);
      }),
    );
  });

  it.each([[undefined], [[1]], [[3]], [[7]]])(
    'takes a line of the most bytes and refuses a longer one: pieces of %j',
    async (sizes) => {
      expect(await linesOf(`\n${'x'.repeat(10)}\n`, sizes, 10)).toEqual([[2, 'x'.repeat(10)]]);
      for (const end of ['\n', '']) {
        const refused = linesOf(`\n\n${'x'.repeat(11)}${end}`, sizes, 10);
        await expect(refused).rejects.toMatchObject({
          code: 'body_too_large',
          message: expect.stringContaining('line 3 '),
        });
      }
    },
  );

  it('refuses a line that never ends without keeping it', async () => {
    let given = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        given += 1000;
        yield await Promise.resolve(Buffer.alloc(1000, 'x'));
      }
    }
    await expect(flattened(splitLines(endless(), 10_000))).rejects.toMatchObject({ code: 'body_too_large' });
    expect(given).toBe(11_000);
  });

  it('passes over any number of blank lines, and still counts them', async () => {
    const blank = ' \r\n'.repeat(300_000);
    const sizes = [65_536];
    expect(await linesOf(`${blank}a\n${blank}  b`, sizes)).toEqual([
      [300_001, 'a'],
      [600_002, 'b'],
    ]);
  });
});
