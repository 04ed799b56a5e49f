import { randomBytes } from 'node:crypto';
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = 'prediction-log.key';

/** The key of the rule `hash` of this data folder, readable by its owner alone; made where there is none. */
export function hashKeyIn(directory: string): Buffer {
  const path = join(directory, FILE);
  const draft = `${path}.${randomBytes(8).toString('hex')}`;
  writeFileSync(draft, randomBytes(32).toString('hex'), { mode: 0o600 });
  try {
    // Processes that start together agree on one: a link is made once, and to a file that is whole.
    linkSync(draft, path);
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code !== 'EEXIST') throw fault;
  } finally {
    rmSync(draft);
  }
  return Buffer.from(readFileSync(path, 'utf8'), 'hex');
}
