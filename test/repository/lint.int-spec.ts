import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** What must not pass, where it would stand, and the rule that refuses it. Every file named here exists. */
const REFUSED = [
  [
    'a promise that nobody awaits',
    'libs/core/src/drain.ts',
    'Promise.resolve(1);',
    '@typescript-eslint/no-floating-promises',
  ],
  ['any', 'libs/core/src/drain.ts', 'export const x: any = 1;', '@typescript-eslint/no-explicit-any'],
  ['a default export', 'libs/core/src/drain.ts', 'export default 1;', 'no-restricted-syntax'],
  ['console in a library', 'libs/core/src/drain.ts', "console.log('x');", 'no-console'],
  [
    'process.env outside libs/config',
    'libs/core/src/drain.ts',
    'export const x = process.env.HOME;',
    'no-restricted-properties',
  ],
  [
    'the environment by another name',
    'libs/core/src/drain.ts',
    "export { env } from 'node:process';",
    'no-restricted-imports',
  ],
  ['Nest in core', 'libs/core/src/drain.ts', "export { Module } from '@nestjs/common';", 'no-restricted-imports'],
  [
    'Nest beside the executor',
    'libs/inference/src/execution/executor.ts',
    "export { Module } from '@nestjs/common';",
    'no-restricted-imports',
  ],
  [
    'ONNX Runtime outside the entry',
    'libs/inference/src/execution/executor.ts',
    "export { Tensor } from 'onnxruntime-node';",
    'no-restricted-imports',
  ],
  [
    'ONNX Runtime imported late',
    'libs/inference/src/execution/executor.ts',
    "export const x = () => import('onnxruntime-node');",
    'no-restricted-syntax',
  ],
  [
    'ONNX Runtime required',
    'libs/inference/src/execution/executor.ts',
    "export const x = (): unknown => require('onnxruntime-node');",
    '@typescript-eslint/no-require-imports',
  ],
  [
    'ONNX Runtime in a test',
    'libs/core/src/drain.spec.ts',
    "export { Tensor } from 'onnxruntime-node';",
    'no-restricted-imports',
  ],
  [
    'a date of a text, in the zone of the process',
    'libs/core/src/drain.ts',
    "export const x = new Date('2026-03-08T02:30:00');",
    'quayside/no-date-of-text',
  ],
  [
    'a date of a text that is put together',
    'libs/core/src/drain.spec.ts',
    'export const x = (day: string) => new Date(`${day}T02:30:00`);',
    'quayside/no-date-of-text',
  ],
  [
    'a date of some text',
    'libs/core/src/drain.ts',
    'export const x = (text: string) => new Date(text);',
    'quayside/no-date-of-text',
  ],
  [
    'a parser of PostgreSQL values for everybody',
    'libs/database/src/database.ts',
    "import { types } from 'pg'; types.setTypeParser(20, Number);",
    'no-restricted-syntax',
  ],
  [
    'a sleep',
    'libs/core/src/drain.spec.ts',
    'await new Promise((done) => setTimeout(done, 5));',
    'no-restricted-syntax',
  ],
  [
    'a sleep by Node',
    'libs/core/src/drain.spec.ts',
    "export { setTimeout } from 'node:timers/promises';",
    'no-restricted-imports',
  ],
  [
    'a sleep by Node under its short name',
    'libs/core/src/drain.spec.ts',
    "export { setTimeout } from 'timers/promises';",
    'no-restricted-imports',
  ],
  ['a module mock', 'libs/core/src/drain.spec.ts', "jest.mock('./drain');", 'no-restricted-properties'],
  [
    'a fixed port',
    'libs/core/src/drain.spec.ts',
    'export const x = (server: { listen(port: number): void }) => server.listen(8080);',
    'no-restricted-syntax',
  ],
] as const;

describe('the linter', () => {
  let broken: readonly (readonly string[])[];

  beforeAll(() => {
    const input = JSON.stringify(REFUSED.map(([, file, code]) => ({ file, code: `${code}\n` })));
    const run = spawnSync(process.execPath, [join(__dirname, 'lint-snippets.mjs')], { input, encoding: 'utf8' });
    expect(run.stderr).toBe('');
    broken = JSON.parse(run.stdout) as string[][];
  });

  it.each(REFUSED.map(([what, , , rule], at) => ({ what, rule, at })))('refuses $what', ({ rule, at }) => {
    expect(broken[at]).toContain(rule);
  });
});
