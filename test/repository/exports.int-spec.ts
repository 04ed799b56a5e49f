import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const ROOT = join(__dirname, '..', '..');
const INDEXES = readdirSync(join(ROOT, 'libs'))
  .map((library) => join(ROOT, 'libs', library, 'src', 'index.ts'))
  .filter((path) => existsSync(path));

describe('what a library exports', () => {
  let undocumented: ReadonlyMap<string, readonly string[]>;

  beforeAll(() => {
    const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile) as { config: object };
    const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
    const program = ts.createProgram(INDEXES, { ...options, noLib: true, types: [] });
    undocumented = new Map(INDEXES.map((path) => [path, undocumentedIn(program, path)]));
  });

  it.each(INDEXES.map((path) => path.slice(ROOT.length + 1)))('has a doc comment for every name: %s', (path) => {
    expect(undocumented.get(join(ROOT, path))).toEqual([]);
  });
});

function undocumentedIn(program: ts.Program, path: string): string[] {
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(path);
  const index = source && checker.getSymbolAtLocation(source);
  if (!index) throw new Error(`${path} exports nothing.`);
  return namesWithout(checker, index);
}

function namesWithout(checker: ts.TypeChecker, exporter: ts.Symbol): string[] {
  return checker.getExportsOfModule(exporter).flatMap((name) => {
    const symbol = name.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(name) : name;
    if (symbol.flags & ts.SymbolFlags.ValueModule) return namesWithout(checker, symbol);
    return symbol.getDocumentationComment(checker).length > 0 ? [] : [name.name];
  });
}
