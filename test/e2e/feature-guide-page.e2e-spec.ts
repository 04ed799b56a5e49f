import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { eventually, temporaryDirectory, testDatabase } from '@app/testing';
import { ServerProcess } from './server-process';

const ROOT = join(__dirname, '../..');
const PAGE = readFileSync(join(ROOT, 'docs/feature-guide.md'), 'utf8');

/** What a reader does, in order: writes a file, or types a command, which shows something. */
interface Step {
  readonly file?: string;
  readonly language: string;
  readonly text: string;
  readonly shown?: string;
}

const STEPS: readonly Step[] = [
  ...PAGE.matchAll(
    /(?:^`(?<file>my-[^`]+)`:\n\n)?^```(?<language>sh|csv|yaml)\n(?<text>.*?)^```(?:\n\n```(?:json|text)\n(?<shown>.*?)^```)?/gms,
  ),
].map(({ groups }) => groups as unknown as Step);

/** A bare machine need not have curl; where changes are judged, it must. */
const canRun = process.env['CI'] !== undefined || spawnSync('curl', ['--version']).status === 0;

/** Words as they are, numbers to four digits, times not at all. */
function comparable(text: string): string {
  return text
    .trim()
    .replace(/"latency_ms":[\d.]+/, '"latency_ms":0')
    .replaceAll(/\d+\.\d{5,}/g, (number) => Number(number).toFixed(4));
}

describe('docs/feature-guide.md', () => {
  (canRun ? it : it.skip)(
    'leads from a CSV to a logged prediction, each step as it says',
    async () => {
      await using here = await testDatabase({ migrated: false });
      const folder = await temporaryDirectory();
      const settings: Record<string, string> = { DATABASE_URL: here.url, FEATURE_READ_TIMEOUT_MS: '200' };
      const mine = (text: string): string => text.replaceAll('my-', `${folder}/my-`);
      let server: ServerProcess | undefined;
      let address = 'http://127.0.0.1:8080';
      const type = async (command: string): Promise<string> => {
        const run = mine(command).replaceAll('http://127.0.0.1:8080', address);
        const env = { PATH: process.env['PATH'], ...settings };
        const { stdout } = await promisify(execFile)('bash', ['-c', run], { cwd: ROOT, env });
        return stdout;
      };
      // Where so much runs at once, features may come too late.
      const typeInTime = async (command: string): Promise<string | false> => {
        const given = await type(command);
        return !/features_unavailable|"timeout"/.test(given) && given;
      };
      const seen: string[] = [];
      try {
        for (const { file, language, text, shown } of STEPS) {
          if (language !== 'sh') {
            mkdirSync(dirname(mine(file ?? '')), { recursive: true });
            writeFileSync(mine(file ?? ''), text);
          } else if (text.startsWith('npm start')) {
            server = await ServerProcess.start(settings);
            address = await server.ready();
          } else {
            const [, exported = ''] = /^export (.*)$/m.exec(text) ?? [];
            for (const [, name = '', value = ''] of exported.matchAll(/(\w+)=(\S+)/g)) settings[name] = mine(value);
            // A prediction can be read a moment after its answer: until then there is nothing to show.
            const given = shown === undefined ? await type(text) : await eventually(() => typeInTime(text));
            if (shown !== undefined) expect(comparable(given)).toBe(comparable(shown));
            seen.push(text.split(' ')[0] ?? '');
          }
        }
      } finally {
        await server?.[Symbol.asyncDispose]();
      }
      expect(seen).toEqual(['export', 'npm', 'npm', 'npm', 'curl', 'curl', 'curl', 'curl']);
    },
    120_000,
  );
});
