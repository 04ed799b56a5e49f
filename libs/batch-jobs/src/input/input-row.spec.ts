import fc from 'fast-check';
import { type IdField, readRow } from './input-row';
import { membersOf, objectOfMembers } from './json-members';

const read = (json: string | Uint8Array, idField?: IdField) => {
  const { json: row, ...rest } = { json: undefined, ...readRow({ line: 3, bytes: Buffer.from(json) }, idField) };
  return { ...rest, ...(row && { json: Buffer.from(row).toString() }) };
};
const ID: IdField = { name: 'id', staysInRow: false };

describe(readRow.name, () => {
  it.each([
    '{"a":1.10}',
    '{ "a" : -0 }',
    '{"a":123456789012345678901234567890}',
    '{"a":1e-400,"b":0.1000}',
    '{"a":"\\u00e9"}',
  ])('keeps %s as it is written', (json) => {
    expect(read(json)).toEqual({ line: 3, json });
  });

  it('puts a row of several lines on one, and changes nothing else', () => {
    expect(read('{\n  "a": "\\n",\r\n  "b": 1\n}')).toEqual({ line: 3, json: '{   "a": "\\n",\r   "b": 1 }' });
  });

  it.each([
    ['{', 'invalid_json'],
    ['{"a": NaN}', 'invalid_json'],
    ['{"a": "\n"}', 'invalid_json'],
    ['[1]', 'invalid_input'],
    ['"a"', 'invalid_input'],
    ['null', 'invalid_input'],
    ['{"__proto__": {}}', 'forbidden_key'],
    [`{"a":${'['.repeat(70)}${']'.repeat(70)}}`, 'json_too_deep'],
    [new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'invalid_utf8'],
  ])('makes %s a row with the error %s', (json, code) => {
    expect(read(json)).toEqual({ line: 3, error: { code, message: expect.any(String), param: null, details: [] } });
  });

  it('says what is wrong with the row, and none of its values', () => {
    expect(read('{"a": secret}')).toMatchObject({
      error: { message: expect.stringMatching(/^The row is not valid JSON/) },
    });
    expect(JSON.stringify(read('{"a": secret}'))).not.toContain('secret');
  });

  it.each([
    ['{"id":"r1","a":1.0}', 'r1', '{"a":1.0}'],
    ['{"a":1.0,"id":"r1"}', 'r1', '{"a":1.0}'],
    ['{ "a" : [1, "id"], "id" : 7, "b" : {"id": 8} }', '7', '{"a" : [1, "id"],"b" : {"id": 8}}'],
    ['{"id":12345678901234567890}', '12345678901234567890', '{}'],
    ['{"\\u0069d":"\\ud83d\\ude00"}', '😀', '{}'],
    ['{"id":"first","id":"last"}', 'last', '{}'],
    ['{"id":null,"a":1}', undefined, '{"a":1}'],
    ['{"a":1}', undefined, '{"a":1}'],
    ['{"id":"","a":1}', '', '{"a":1}'],
  ])('takes the id out of %s', (json, id, others) => {
    expect(read(json, ID)).toEqual({ line: 3, json: others, ...(id !== undefined && { id }) });
  });

  it('leaves the id in the row where the model takes the field too', () => {
    expect(read('{ "id": 7, "a": 1 }', { name: 'id', staysInRow: true })).toEqual({
      line: 3,
      id: '7',
      json: '{ "id": 7, "a": 1 }',
    });
  });

  it.each(['{"id":true}', '{"id":["a"]}', '{"id":{}}', `{"id":"${'x'.repeat(257)}"}`])(
    'refuses the id of %s',
    (json) => {
      expect(read(json, ID)).toMatchObject({ line: 3, error: { code: 'invalid_input', param: 'id' } });
    },
  );
});

describe(membersOf.name, () => {
  it('finds what JSON.parse finds, and writes it again', () => {
    const objects = fc.dictionary(
      fc.string().filter((key) => key !== '__proto__'),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(objects, fc.constantFrom(undefined, 1, '\t'), (object, indent) => {
        const members = membersOf(JSON.stringify(object, null, indent));
        const found = members.map(({ key, value }) => [key, JSON.parse(value) as unknown]);
        const parsed = JSON.parse(JSON.stringify(object)) as object;
        expect(found).toEqual(Object.entries(parsed));
        expect(JSON.parse(objectOfMembers(members))).toEqual(parsed);
      }),
    );
  });
});
