import { readParameters } from './query-parameters';

const FIELDS = {
  text: { type: 'string' },
  count: { type: 'integer' },
  share: { type: 'number' },
  flag: { type: 'boolean' },
  any: { type: 'object' },
  nested: { $ref: '#/components/schemas/Nested' },
};
const read = (query: object) => readParameters(FIELDS, query as Readonly<Record<string, unknown>>);

describe(readParameters.name, () => {
  it('reads texts as what their fields are', () => {
    const query = { text: '1', count: '-2', share: '0.5', flag: 'true', any: '{"a":1}', nested: '{}' };
    expect(read(query)).toEqual({ text: '1', count: -2, share: 0.5, flag: true, any: { a: 1 }, nested: {} });
  });

  it.each<Readonly<Record<string, unknown>>>([
    { count: '' },
    { count: ' 1' },
    { count: '0x10' },
    { share: 'Infinity' },
    { share: '1e3' },
    { flag: 'yes' },
    { any: '{' },
    { any: '{"__proto__":{}}' },
    { count: ['1', '2'] },
    { nobody: '1' },
    { toString: '1' },
  ])('leaves %j to the validator', (query) => {
    expect(read(query)).toEqual(query);
  });
});
