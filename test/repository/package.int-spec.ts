import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..');
const read = (...path: string[]) => readFileSync(join(ROOT, ...path), 'utf8');

describe('package.json', () => {
  const { scripts, dependencies, devDependencies, optionalDependencies } = JSON.parse(read('package.json')) as Record<
    string,
    Record<string, string>
  >;

  it('has no script that npm would run by itself: install scripts are off, so it would not', () => {
    const implicit = Object.keys(scripts ?? {}).filter((name) =>
      /^(pre|post)|^(install|prepare|dependencies)$/.test(name),
    );
    expect(implicit).toEqual([]);
  });

  it('names every version exactly', () => {
    const versions = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies });
    expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+(-beta\.\d+)?$/.test(version))).toEqual([]);
  });

  it('names only scripts that exist', () => {
    const files = Object.values(scripts ?? {}).flatMap((script) => /^node (scripts\/\S+)/.exec(script)?.[1] ?? []);
    const existing = readdirSync(join(ROOT, 'scripts')).map((name) => `scripts/${name}`);
    expect(files.filter((file) => !existing.includes(file))).toEqual([]);
  });
});

describe('package-lock.json', () => {
  it('names no registry, so that it installs from whichever the user has', () => {
    expect(read('package-lock.json')).not.toMatch(/"resolved":/);
  });
});

describe('the scripts', () => {
  it('never force Jest to exit: what is left open has to be seen', () => {
    const texts = [read('package.json'), read('jest.config.js'), read('.ci', 'run')];
    for (const name of readdirSync(join(ROOT, 'scripts'))) if (name.endsWith('.mjs')) texts.push(read('scripts', name));
    expect(texts.filter((text) => /force-?exit/i.test(text))).toEqual([]);
  });
});
