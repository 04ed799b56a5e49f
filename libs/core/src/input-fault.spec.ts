import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { INPUT_FAULTS } from './input-fault';

describe('docs/numbers.md', () => {
  it('lists every detail code of values and tensors, and no other', () => {
    const page = readFileSync(join(__dirname, '../../../docs/numbers.md'), 'utf8');
    const table = page.slice(page.indexOf('## Detail codes'));
    const listed = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, code]) => code);
    expect(listed.toSorted()).toEqual(Object.keys(INPUT_FAULTS).toSorted());
  });
});
