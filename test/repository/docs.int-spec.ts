import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

const ROOT = join(__dirname, '..', '..');

const inFolder = (folder: string): string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path));

const PAGES = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', ...inFolder('docs'), ...inFolder('examples')].filter(
  (path) => path.endsWith('.md'),
);

const read = (page: string): string => readFileSync(join(ROOT, page), 'utf8');

describe('the pages', () => {
  it.each(PAGES)('link only to what is there: %s', (page) => {
    const links = [...read(page).matchAll(/\]\(([^)\s#]+)[^)]*\)/g)].map(([, target = '']) => target);
    const local = links.filter((target) => !/^[a-z]+:/.test(target));
    expect(local.filter((target) => !existsSync(join(ROOT, dirname(page), target)))).toEqual([]);
  });

  it.each(PAGES)('name only npm scripts that exist: %s', (page) => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...read(page).matchAll(/npm run (?:--silent )?([a-z:]+)/g)].map(([, name = '']) => name);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  it('are reached from the README, each of them in docs', () => {
    const readme = read('README.md');
    const pages = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md'));
    expect(pages.filter((name) => !readme.includes(`docs/${name}`))).toEqual([]);
  });
});
