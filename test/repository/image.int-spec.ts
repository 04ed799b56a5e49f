import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

const ROOT = join(__dirname, '..', '..');
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

const DOCKERFILE = read('Dockerfile').replaceAll('\\\n', ' ');
const COMPOSE = parse(read('docker-compose.yml'), { merge: true }) as {
  readonly services: Readonly<
    Record<string, { command?: string[]; environment?: Record<string, string>; ports?: string[]; volumes?: string[] }>
  >;
};
const SETTINGS = new Set([...read('docs/configuration.md').matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name));

/** The entries that a container is started with: built from a source of the same name. */
const entries = [DOCKERFILE, JSON.stringify(COMPOSE)].flatMap((text) =>
  [...text.matchAll(/dist\/(apps\/[\w/-]+)\.js/g)].map(([, path = '']) => `${path}.ts`),
);

describe('Dockerfile and docker-compose.yml', () => {
  it('copy only what is there, and what .dockerignore lets through', () => {
    const copies = [...DOCKERFILE.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, files = '']) =>
      files.split(' '),
    );
    expect(copies.length).toBeGreaterThan(5);
    const allowed = [...read('.dockerignore').matchAll(/^!(.*)$/gm)].map(([, path]) => path);
    const missing = copies.filter((file) => !existsSync(join(ROOT, file)) || !allowed.includes(file.split('/')[0]));
    expect(missing).toEqual([]);
  });

  it('start the API and the worker that are built from the sources', () => {
    expect(new Set(entries)).toEqual(new Set(['apps/api/src/main.ts', 'apps/worker/src/main.ts']));
    expect(entries.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
  });

  it('name only settings that exist', () => {
    const [, block = ''] = /^ENV (.*HTTP_HOST.*)$/m.exec(DOCKERFILE) ?? [];
    const inImage = [...block.matchAll(/([A-Z_]+)=/g)].map(([, name = '']) => name);
    const ours = Object.entries(COMPOSE.services).filter(([name]) => name === 'api' || name === 'worker');
    const inCompose = ours.flatMap(([, { environment }]) => Object.keys(environment ?? {}));
    const foreign = ['NODE_ENV', 'TZ', 'MALLOC_TRIM_THRESHOLD_'];
    expect(inCompose).toContain('JOB_WORKERS');
    expect([...inImage, ...inCompose].filter((name) => !SETTINGS.has(name) && !foreign.includes(name))).toEqual([]);
  });

  it.each(['deployment', 'jobs', 'jobs-operations', 'job-sizing'])('and docs/%s.md name no other setting', (page) => {
    const named = read(`docs/${page}.md`).match(
      /\b(?:BLOB|DATABASE|EXECUTOR|HTTP|JOB|LOG|MODEL|REDIS|SHUTDOWN)_[A-Z_]+\b/g,
    );
    expect((named ?? []).filter((name) => !SETTINGS.has(name))).toEqual([]);
  });

  it('publish ports on loopback only, and run no worker in the API beside the one that has a container', () => {
    const { api, worker, ...stores } = COMPOSE.services;
    expect(api?.ports).toEqual(['127.0.0.1:8080:8080']);
    expect([worker, ...Object.values(stores)].flatMap((service) => service?.ports ?? [])).toEqual([]);
    expect(api?.environment?.['JOB_WORKERS']).toBe('0');
    expect(api?.volumes).toEqual(worker?.volumes);
  });
});
