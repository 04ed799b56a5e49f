import { flattened } from '@app/testing';
import { allReadable } from './all-readable';
import type { InputRow } from './input-row';

const good = (line: number): InputRow => ({ line, json: Buffer.from('{}') });
const bad = (line: number): InputRow => ({
  line,
  error: { code: 'invalid_json', message: 'The row is not valid JSON.', param: null, details: [] },
});

describe(allReadable.name, () => {
  it('gives the rows where every one can be read', async () => {
    expect(await flattened(allReadable([[good(1), good(2)], [good(3)]]))).toHaveLength(3);
  });

  it('refuses the others by their lines, all at once', async () => {
    const refused = flattened(allReadable([[good(1)], [good(2), bad(3)], [bad(4), good(5)]]));
    await expect(refused).rejects.toMatchObject({
      code: 'invalid_input',
      details: [
        { field: 'line 3', code: 'invalid_json', message: 'Line 3: The row is not valid JSON.' },
        { field: 'line 4', code: 'invalid_json' },
      ],
    });
  });

  it('names ten of many, and reads no further', async () => {
    let batches = 0;
    function* many(): Generator<readonly InputRow[]> {
      for (;;) yield Array.from({ length: 4 }, (_, at) => bad(++batches * 10 + at));
    }
    await expect(flattened(allReadable(many()))).rejects.toMatchObject({ details: { length: 10 } });
    expect(batches).toBe(12);
  });
});
