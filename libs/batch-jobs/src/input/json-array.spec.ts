import { type JsonValue, isQuaysideError, parseJsonBody } from '@app/core';
import { flattened, inPieces } from '@app/testing';
import fc from 'fast-check';
import { splitArray } from './json-array';

const elementsOf = async (content: string | Uint8Array, sizes?: readonly number[], maxBytes?: number) =>
  (await flattened(splitArray(inPieces(content, sizes), maxBytes))).map(({ line, bytes }) => [line, bytes.toString()]);

describe(splitArray.name, () => {
  it.each([
    ['[]', []],
    [' [ \n ] \r\n', []],
    ['[1]', [[1, '1']]],
    [
      '[ {"a": 1} , {"b": [1, {"c": "],"}]}\n]',
      [
        [1, '{"a": 1}'],
        [1, '{"b": [1, {"c": "],"}]}'],
      ],
    ],
    [
      '[\n{\n"a": 1\n},\n{"b": 2}\n]',
      [
        [2, '{\n"a": 1\n}'],
        [5, '{"b": 2}'],
      ],
    ],
    [
      '["a\\"],[", "\\\\", null]',
      [
        [1, '"a\\"],["'],
        [1, '"\\\\"'],
        [1, 'null'],
      ],
    ],
  ])('reads %j', async (content, elements) => {
    expect(await elementsOf(content)).toEqual(elements);
    expect(await elementsOf(content, [1])).toEqual(elements);
  });

  it('lets an element that is no JSON spoil no other', async () => {
    expect(await elementsOf('[{"a": tru}, {"b": 1], {"c": 2}]')).toEqual([
      [1, '{"a": tru}'],
      [1, '{"b": 1]'],
      [1, '{"c": 2}'],
    ]);
  });

  it.each([
    ['', 'ends before'],
    ['{"a": 1}', 'no array'],
    ['[', 'ends before'],
    ['[1', 'ends before'],
    ['[1,', 'ends before'],
    ['["a]', 'ends before'],
    ['[,]', 'missing in line 1'],
    ['[1,\n]', 'missing in line 2'],
    ['[1,,2]', 'missing in line 1'],
    ['[1]\n[2]', 'follows its closing bracket, in line 2'],
    ['[1],', 'follows its closing bracket'],
  ])('refuses %j, which is no whole array', async (content, says) => {
    for (const sizes of [undefined, [1]]) {
      await expect(elementsOf(content, sizes)).rejects.toMatchObject({
        code: 'invalid_json',
        message: expect.stringContaining(says),
      });
    }
  });

  it('gives the elements of any array as JSON.parse does, however it is written and arrives', async () => {
    const indent = fc.constantFrom(undefined, 1, '\t', '\n  ');
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.jsonValue()), indent, sizes, async (values, space, pieces) => {
        const elements = await elementsOf(JSON.stringify(values, null, space), pieces);
        expect(elements.map(([, text]) => JSON.parse(String(text)) as JsonValue)).toEqual(
          JSON.parse(JSON.stringify(values)),
        );
      }),
    );
  });

  it('never takes what JSON.parse refuses for whole rows, and never throws anything but its own codes', async () => {
    const token = fc.constantFrom(...'[]{},:"\\ \n1'.split(''), 'true', '"a"', '{"a":1}');
    const text = fc.array(token, { maxLength: 12 }).map((tokens) => `[${tokens.join('')}`);
    await fc.assert(
      fc.asyncProperty(text, async (content) => {
        const elements = await elementsOf(content).catch((fault: unknown) => {
          expect(isQuaysideError(fault)).toBe(true);
          return undefined;
        });
        const isWhole = elements?.every(([, element]) => isJson(String(element))) ?? false;
        expect(isWhole).toBe(isJson(content));
      }),
      { numRuns: 2000 },
    );
  });

  it.each([[undefined], [[1]], [[7]]])('refuses an element that is too long: pieces of %j', async (sizes) => {
    expect(await elementsOf('[1,"12345678",2]', sizes, 10)).toHaveLength(3);
    await expect(elementsOf('[1,\n"123456789",2]', sizes, 10)).rejects.toMatchObject({
      code: 'body_too_large',
      message: expect.stringContaining('line 2 '),
    });
  });
});

function isJson(text: string): boolean {
  try {
    parseJsonBody(Buffer.from(text));
    return true;
  } catch {
    return false;
  }
}
