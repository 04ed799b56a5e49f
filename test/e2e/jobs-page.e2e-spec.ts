import { execFile, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryDirectory, testDatabase } from '@app/testing';
import { DEFAULT_MODELS } from './door';
import { ServerProcess } from './server-process';

const ROOT = join(__dirname, '../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** What a reader does, in order: writes a file, or types a command, which shows something. */
interface Step {
  readonly file?: string;
  readonly text: string;
  readonly shown?: string;
}

function stepsOf(page: string): readonly Step[] {
  const steps = page.matchAll(
    /(?:^`(?<file>my-[^`]+)`:\n\n)?^```(?:sh|jsonl)\n(?<text>.*?)^```(?:\n\n```(?:json|text)\n(?<shown>.*?)^```)?/gms,
  );
  return [...steps].map(({ groups }) => groups as unknown as Step);
}

/** A bare machine need not have curl; where changes are judged, it must. */
const canRun = process.env['CI'] !== undefined || spawnSync('curl', ['--version']).status === 0;

/** Words as they are, numbers to four digits; ids and times not at all. */
function comparable(text: string): string {
  return text
    .trim()
    .replaceAll(/job_[0-9a-f]{32}/g, 'job_id')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'a time')
    .replaceAll(/after \d+ s/g, 'after some time')
    .replaceAll(/\d+\.\d{5,}/g, (number) => Number(number).toFixed(4));
}

/** A reader's shell: what one command sets, the next one knows. */
async function shell(url: string) {
  const folder = await temporaryDirectory();
  const mine = (text: string): string => text.replaceAll(/\bmy-/g, `${folder}/my-`);
  const env = { PATH: process.env['PATH'], QUAYSIDE_URL: url };
  return {
    write: (file: string, text: string) => writeFileSync(mine(file), text),
    /** What a command shows. Its exit code says what became of a job's rows, which is shown too. */
    async type(command: string): Promise<string> {
      const kept = join(folder, 'shell');
      const run = mine(command).replaceAll('http://127.0.0.1:8080', url);
      const script = `[ -e ${kept} ] && . ${kept}\n${run}\ndeclare -p JOB TAG AFTER > ${kept} 2> /dev/null\ntrue`;
      const { stdout } = await promisify(execFile)('bash', ['-c', script], { cwd: ROOT, env });
      return stdout;
    },
  };
}

describe('docs/jobs.md', () => {
  (canRun ? it : it.skip)('leads from a file of rows to its results, each step as it says', async () => {
    await using here = await testDatabase({ migrated: false });
    await using server = await ServerProcess.start({
      ...{ MODEL_DIR: DEFAULT_MODELS, DATABASE_URL: here.url },
      ...{ HTTP_PROCESSES: '1', JOB_WORKERS: '1' },
    });
    const bash = await shell(await server.ready());
    const steps = stepsOf(read('docs/jobs.md'));
    for (const { file, text, shown } of steps) {
      if (file !== undefined) {
        bash.write(file, text);
        continue;
      }
      const given = await bash.type(text);
      if (shown !== undefined) expect(comparable(given)).toBe(comparable(shown));
    }
    expect(steps.filter(({ shown }) => shown !== undefined).length).toBeGreaterThanOrEqual(6);
  });
});

describe('README.md', () => {
  it('shows what its job really says', async () => {
    await using here = await testDatabase({ migrated: false });
    await using server = await ServerProcess.start({
      ...{ MODEL_DIR: DEFAULT_MODELS, DATABASE_URL: here.url },
      ...{ HTTP_PROCESSES: '1', JOB_WORKERS: '1' },
    });
    const bash = await shell(await server.ready());
    const step = stepsOf(read('README.md')).find(({ text }) => text.startsWith('npm run jobs'));
    const { text = '', shown = '' } = step ?? {};
    const given = await bash.type(text.replace('npm run', 'npm run --silent').replace('\n', ' 2>&1\n'));
    for (const line of comparable(shown).split('\n')) expect(comparable(given)).toContain(line);
  });
});
