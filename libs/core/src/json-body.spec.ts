import fc from 'fast-check';
import { parseJsonBody } from './json-body';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function outcomeOf(body: Uint8Array | string): { value: unknown } | { code: unknown; message: string } {
  try {
    return { value: parseJsonBody(typeof body === 'string' ? utf8(body) : body) };
  } catch (error) {
    const { code, message } = error as { code: unknown; message: string };
    return { code, message };
  }
}

const codeOf = (body: Uint8Array | string): unknown => {
  const outcome = outcomeOf(body);
  return 'code' in outcome ? outcome.code : 'accepted';
};

function parsesAsJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Texts that are nearly JSON: pieces of it in any order. */
const jsonish = fc
  .array(
    fc.constantFrom(
      ...['{', '}', '[', ']', ':', ',', '"', '\\', '\\"', '\\\\', '\\u005f', '\\u', 'a', '__proto__', 'constructor'],
      ...[
        'prototype',
        '"constructor":',
        '"prototype":',
        '"__proto__":',
        '1',
        '-0',
        '1e400',
        '.',
        'true',
        'null',
        'NaN',
      ],
      ...[
        'Infinity',
        '-Infinity',
        ' ',
        '\n',
        '\ufeff',
        'é',
        '😀',
        '"x"',
        '"x":',
        '{"a":',
        '"'.repeat(70),
        'y'.repeat(70),
      ],
    ),
    { maxLength: 30 },
  )
  .map((pieces) => pieces.join(''));

/** Valid JSON texts whose keys and strings are near what is forbidden, with strings of all lengths. */
const { tree } = fc.letrec<{ tree: string; string: string }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom('1', 'null', '[]', '{}'),
    tie('string'),
    fc.array(tie('tree'), { maxLength: 4 }).map((items) => `[${items.join(', ')}]`),
    fc
      // A forbidden key is refused even where a later duplicate of it, or of what holds it, would replace it.
      .uniqueArray(fc.tuple(tie('string'), tie('tree')), {
        maxLength: 4,
        selector: ([key]) => JSON.parse(key) as string,
      })
      .map((entries) => `{${entries.map(([key, value]) => `${key} : ${value}`).join(',')}}`),
  ),
  string: fc.oneof(
    fc.constantFrom('"constructor"', '"prototype"', '"__proto__"', '"a"', '"\\u0063onstructor"', '"prototypes"'),
    fc
      .array(fc.constantFrom('y'.repeat(70), '"', '\\', '{"__proto__":', 'z', 'é'), { maxLength: 8 })
      .map((pieces) => JSON.stringify(pieces.join(''))),
  ),
}));

/** What must be refused beside bad JSON, found on the parsed value in the plain way. */
function hasForbiddenKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(
    ([key, inner]) => key === '__proto__' || (key === 'constructor' && holdsPrototype(inner)) || hasForbiddenKey(inner),
  );
}

const holdsPrototype = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, 'prototype');

describe(parseJsonBody.name, () => {
  it('gives what JSON.parse gives, for any JSON value, however it is indented', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), fc.nat(3), (value, indent) => {
        fc.pre(!hasForbiddenKey(value));
        const text = JSON.stringify(value, null, indent);
        expect(parseJsonBody(utf8(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it('accepts exactly what JSON.parse accepts, but for forbidden keys', () => {
    fc.assert(
      fc.property(jsonish, (text) => {
        fc.pre(!text.startsWith('\ufeff'));
        const code = codeOf(text);
        if (!parsesAsJson(text)) expect(code).toMatch(/^(invalid_json|forbidden_key)$/);
        else if (hasForbiddenKey(JSON.parse(text))) expect(code).toBe('forbidden_key');
        else expect(code).toBe('accepted');
      }),
      { numRuns: 5000 },
    );
  });

  it('refuses forbidden keys and nothing else in valid JSON', () => {
    fc.assert(
      fc.property(tree, (text) => {
        expect(codeOf(text)).toBe(hasForbiddenKey(JSON.parse(text)) ? 'forbidden_key' : 'accepted');
      }),
      { numRuns: 3000 },
    );
  });

  it('finds a forbidden key in any escape, behind strings of any length', () => {
    const escaped = (text: string, mask: readonly boolean[]): string =>
      [...text]
        .map((letter, at) => (mask[at] ? `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}` : letter))
        .join('');
    const mask = fc.array(fc.boolean(), { minLength: 11, maxLength: 11 });
    fc.assert(
      fc.property(mask, fc.string({ maxLength: 300 }), (letters, before) => {
        const lead = JSON.stringify(before);
        expect(codeOf(`{"a":${lead},"${escaped('__proto__', letters)}":1}`)).toBe('forbidden_key');
        expect(
          codeOf(`[${lead},{"${escaped('constructor', letters)}" : { "a":1,"${escaped('prototype', letters)}":1}}]`),
        ).toBe('forbidden_key');
      }),
    );
  });

  it.each([
    '{"constructor":1,"a":{"prototype":1}}',
    '[{"constructor":1},{"prototype":1}]',
    '[{"constructor":"x"},{"prototype":1}]',
    '{"constructor":[{"prototype":1}]}',
    '{"constructor":{"a":{"prototype":1}}}',
    '{"constructor":{},"prototype":1}',
    '{"a":"__proto__","b":["constructor",{"prototype":1}]}',
    '{"__proto":1,"__proto__2":1,"proto":1}',
  ])('accepts %s', (text) => {
    expect(parseJsonBody(utf8(text))).toEqual(JSON.parse(text));
  });

  it('drops one byte order mark, not two', () => {
    expect(parseJsonBody(utf8('\ufeff{"a":1}'))).toEqual({ a: 1 });
    expect(codeOf('\ufeff\ufeff{"a":1}')).toBe('invalid_json');
  });

  it.each([
    [[0x22, 0xff, 0x22]],
    [[0x22, 0xc0, 0x80, 0x22]],
    [[0x22, 0xed, 0xa0, 0x80, 0x22]],
    [[0x22, 0xf0, 0x9f, 0x22]],
  ])('refuses the bytes %j, which are not UTF-8', (bytes) => {
    expect(codeOf(Uint8Array.from(bytes))).toBe('invalid_utf8');
  });

  it('keeps what stands at the limits of depth and keys, and refuses one more', () => {
    const keys = (count: number): string => `{${Array.from({ length: count }, (_, at) => `"k${at}":{}`).join(',')}}`;
    expect(codeOf('[{"a":'.repeat(32) + '1' + '}]'.repeat(32))).toBe('accepted');
    expect(codeOf('[{"a":'.repeat(32) + '[]' + '}]'.repeat(32))).toBe('json_too_deep');
    expect(codeOf(`[${keys(1000)},${keys(1000)}]`)).toBe('accepted');
    expect(codeOf(`[${keys(1001)}]`)).toBe('json_too_many_keys');
  });

  it('takes other limits', () => {
    const limits = { maxDepth: 1, maxKeys: 1, maxContainers: 1 };
    expect(parseJsonBody(utf8('{"a":1}'), limits)).toEqual({ a: 1 });
    expect(() => parseJsonBody(utf8('{"a":1,"b":2}'), limits)).toThrow(
      expect.objectContaining({ code: 'json_too_many_keys' }),
    );
    expect(() => parseJsonBody(utf8('[[]]'), limits)).toThrow(expect.objectContaining({ code: 'json_too_deep' }));
  });

  it('shows how to send NaN, only where NaN or an infinity was bare', () => {
    const hint = 'send "NaN", "Infinity" or "-Infinity"';
    for (const text of ['{"a":NaN}', '[1,-Infinity]', 'Infinity']) {
      expect(outcomeOf(text)).toMatchObject({ code: 'invalid_json', message: expect.stringContaining(hint) });
    }
    for (const text of ['{"a":None}', '{"a":"NaN"', '[1,]', 'Inf']) {
      expect(outcomeOf(text)).toMatchObject({ code: 'invalid_json', message: expect.not.stringContaining(hint) });
    }
  });

  it('says that an empty body is empty, and repeats nothing of a body', () => {
    expect(outcomeOf('')).toMatchObject({ code: 'invalid_json', message: expect.stringContaining('empty') });
    for (const text of ['{"secret-1": secret-2}', '{"__proto__":"secret-3"}', '["secret-4"']) {
      expect(outcomeOf(text)).toMatchObject({ message: expect.not.stringContaining('secret') });
    }
  });

  it.each([
    ['brackets', '['.repeat(4 << 20), 'json_too_deep'],
    ['keys', `{${'"k":1,'.repeat(1 << 20)}"k":1}`, 'json_too_many_keys'],
    ['lists', `[${'[],'.repeat(1 << 20)}0]`, 'body_too_large'],
    ['objects', `[${'{},'.repeat(1 << 20)}0]`, 'body_too_large'],
    ['escaped quotes', `"${'\\"'.repeat(4 << 20)}`, 'invalid_json'],
    ['backslashes', `{"${'\\\\'.repeat(4 << 20)}":1}`, 'accepted'],
    ['escaped keys', `[${'{"\\u0063onstructor":{"\\u0070rototypes":1}},'.repeat(1 << 16)}1]`, 'accepted'],
    ['quotes', '"'.repeat(4 << 20), 'invalid_json'],
    ['bare words', 'N'.repeat(4 << 20), 'invalid_json'],
  ])('survives megabytes of %s', (_, text, code) => {
    expect(codeOf(text)).toBe(code);
  });

  it('reads a body that is a view into a larger buffer', () => {
    const whole = utf8('##{"constructor":{"prototype":1}}');
    expect(codeOf(whole.subarray(2))).toBe('forbidden_key');
    expect(parseJsonBody(utf8('##[1]##').subarray(2, 5))).toEqual([1]);
  });
});
