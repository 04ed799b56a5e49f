import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERROR_CATALOGUE, type ErrorCode } from '@app/core';
import { HTTP_ERRORS } from './http-errors';

const SECTION = /^## (\w+)\n\n(\d{3}) · (\w+) · (try again|do not try again)\n\n(.+)\n(.+)$/gm;

describe('docs/errors.md', () => {
  const page = readFileSync(join(__dirname, '../../../../docs/errors.md'), 'utf8');
  const sections = [...page.matchAll(SECTION)];

  it('lists every code of the catalogue, and no other', () => {
    expect(page.match(/^## .*$/gm)).toHaveLength(sections.length);
    expect(sections.map(([, code]) => code)).toEqual(Object.keys(ERROR_CATALOGUE));
  });

  it.each(sections.map(([, code, ...rest]) => [code as ErrorCode, rest] as const))(
    'tells the truth about %s',
    (code, rest) => {
      const { status, type, retryable } = HTTP_ERRORS[code];
      const [toldStatus, toldType, toldRetry, meaning, advice] = rest;
      expect([toldStatus, toldType, toldRetry]).toEqual([
        String(status),
        type,
        retryable ? 'try again' : 'do not try again',
      ]);
      expect(meaning).toBe(ERROR_CATALOGUE[code]);
      expect(advice).toMatch(/^\S.*\.$/);
    },
  );
});
