import { spawn } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..');

interface FileResult {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly assertionResults: readonly { readonly title: string; readonly status: string }[];
}

/** Runs the files of `leaks/` in a Jest of their own, with our configuration. */
async function runLeaks(): Promise<readonly FileResult[]> {
  const options = ['--json', '--reporters', 'default', '--testMatch', '<rootDir>/test/repository/leaks/*.leak.ts'];
  const jest = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
  const flags = ['--experimental-vm-modules', '--no-warnings'];
  const child = spawn(process.execPath, [...flags, jest, ...options], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  await new Promise((resolve) => child.once('close', resolve));
  return (JSON.parse(stdout) as { testResults: FileResult[] }).testResults;
}

describe('the leak check', () => {
  let results: readonly FileResult[];

  beforeAll(async () => {
    results = await runLeaks();
  });

  const resultOf = (file: string) => results.find(({ name }) => name.endsWith(file));

  it('fails the test that leaves something open, by its name, and no other', () => {
    const result = resultOf('by-name.leak.ts');
    expect(result?.assertionResults).toMatchObject([
      { title: 'leaves a pool open', status: 'failed' },
      { title: 'closes in afterEach', status: 'passed' },
      { title: 'uses what the file opened', status: 'passed' },
    ]);
    expect(result?.message).toContain('Still open: forgotten pool.');
  });

  it('fails the file that leaves something open outside its tests', () => {
    const result = resultOf('whole-file.leak.ts');
    expect(result?.status).toBe('failed');
    expect(result?.message).toContain('Still open: pool of the file.');
  });

  it('fails the file that leaves a process that nobody named', () => {
    const result = resultOf('process.leak.ts');
    expect(result?.status).toBe('failed');
    expect(result?.message).toContain('1 x ProcessWrap');
  });
});
