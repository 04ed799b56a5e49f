import { execFile, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually, temporaryDirectory, testDatabase } from '@app/testing';
import { DEFAULT_MODELS } from './door';
import { ServerProcess } from './server-process';

const TOLERANCE = 1e-4;
const README = readFileSync(join(__dirname, '../../README.md'), 'utf8');
/** Every shell block that calls the server, with the block of its output. */
const CALLS = [...README.matchAll(/^```sh\n(curl .*?)^```\n\n```json\n(.*?)^```/gms)].map(([, command, output]) => ({
  command: command,
  output: output,
}));

/** A bare machine need not have curl; where changes are judged, it must. */
const canRun = process.env['CI'] !== undefined || spawnSync('curl', ['--version']).status === 0;

/** A text with its numbers taken out; how long something took says nothing and is taken out with its number. */
function apart(text: string): { readonly words: string; readonly numbers: readonly number[] } {
  const timeless = text.trim().replace(/"latency_ms":[\d.]+/g, '"latency_ms":');
  const numbers = timeless.match(/-?\d+(\.\d+)?(e-?\d+)?/g) ?? [];
  return { words: timeless.replace(/-?\d+(\.\d+)?(e-?\d+)?/g, '#'), numbers: numbers.map(Number) };
}

describe('README.md', () => {
  it('shows five calls with their answers', () => {
    expect(CALLS).toHaveLength(5);
  });

  (canRun ? it : it.skip)('shows what its calls really answer, to the letter and to 1e-4 in numbers', async () => {
    await using here = await testDatabase();
    await using server = await ServerProcess.start({
      MODEL_DIR: DEFAULT_MODELS,
      DATABASE_URL: here.url,
      FEATURE_READ_TIMEOUT_MS: '200',
    });
    const [address, folder] = [await server.ready(), await temporaryDirectory()];
    await server.logged('feature_rows_filled');
    for (const { command, output } of CALLS) {
      const run = command.replace('http://127.0.0.1:8080', address).replace('/tmp', folder);
      expect(run).not.toBe(command);
      // A prediction can be read a moment after its answer; where so much runs at once, features may come too late.
      const stdout = await eventually(async () => {
        const { stdout: text } = await promisify(execFile)('bash', ['-c', run]);
        return !text.includes('features_unavailable') && text;
      });
      const [shown, given] = [apart(output), apart(stdout)];
      expect(given.words).toBe(shown.words);
      given.numbers.forEach((number, at) => expect(Math.abs(number - shown.numbers[at])).toBeLessThan(TOLERANCE));
    }
  });
});

describe('the cards of the models', () => {
  /** By model: the call of its card, and the numbers that the sentence behind it promises. */
  const cards = readdirSync(DEFAULT_MODELS).map((model) => {
    const card = readFileSync(join(DEFAULT_MODELS, model, 'README.md'), 'utf8');
    const [, command = '', sentence = ''] = /^```\n(curl .*?)^```\n\n(.*?)$/ms.exec(card) ?? [];
    return { model, command, promised: sentence.match(/0\.\d+/g) ?? [] };
  });

  it('each have a call, and say what it answers', () => {
    expect(cards.filter(({ command, promised }) => command === '' || promised.length === 0)).toEqual([]);
  });

  (canRun ? it : it.skip)('say what their calls really answer', async () => {
    await using server = await ServerProcess.start({ MODEL_DIR: DEFAULT_MODELS });
    const address = await server.ready();
    for (const { model, command, promised } of cards) {
      const run = command.replace('curl localhost:8080', `curl -s ${address}`);
      const { stdout } = await promisify(execFile)('bash', ['-c', run]);
      const { numbers } = apart(stdout);
      const missing = promised.filter((text) => !numbers.some((number) => Math.abs(number - Number(text)) < TOLERANCE));
      expect([model, missing]).toEqual([model, []]);
    }
  });
});
