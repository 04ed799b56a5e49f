import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DEFAULT_MODELS } from './door';
import { ServerProcess } from './server-process';

const PAGE = readFileSync(join(__dirname, '../../docs/rest-api.md'), 'utf8');
/** Every shell block, with the JSON block behind it if there is one. */
const CALLS = [...PAGE.matchAll(/^```sh\n(curl .*?)^```(?:\n\n```json\n(.*?)^```)?/gms)].map(
  ([, command = '', shown]) => ({
    command,
    shown,
  }),
);

/** A bare machine need not have curl; where changes are judged, it must. */
const canRun = process.env['CI'] !== undefined || spawnSync('curl', ['--version']).status === 0;

/** Words as they are, numbers to four digits, times not at all. */
function comparable(text: string): unknown {
  return JSON.parse(text, (key, value: unknown) => {
    if (key === 'latency_ms') return 'some time';
    return typeof value === 'number' ? Number(value.toFixed(4)) : value;
  });
}

describe('docs/rest-api.md', () => {
  (canRun ? it : it.skip)('shows what its calls really answer', async () => {
    await using server = await ServerProcess.start({ MODEL_DIR: DEFAULT_MODELS });
    const address = await server.ready();
    for (const { command, shown } of CALLS) {
      const { stdout } = await promisify(execFile)('bash', ['-c', command.replace('http://127.0.0.1:8080', address)]);
      if (shown === undefined)
        expect(JSON.parse(stdout)).toMatchObject({ embeddings: [expect.any(Array), expect.any(Array)] });
      else expect(comparable(stdout)).toEqual(comparable(shown));
    }
    expect(CALLS.length).toBeGreaterThanOrEqual(5);
  });

  it('names every route of the server', () => {
    const { paths } = JSON.parse(readFileSync(join(__dirname, '../../openapi.json'), 'utf8')) as { paths: object };
    for (const path of Object.keys(paths)) expect(PAGE).toContain(path);
  });
});
