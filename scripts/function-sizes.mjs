import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/**
 * `npm run sizes`: how long our functions are (named functions, methods and constructors, from the syntax tree, without
 * tests), the longest ones, and files over 300 lines. The aim is a median of at most 11 lines and a p90 of at most 35.
 */
const root = fileURLToPath(new URL('..', import.meta.url));
const files = ['apps', 'libs'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true })
    .map((path) => join(folder, path))
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.spec.ts') && !path.endsWith('.d.ts')),
);
const functions = files.flatMap(functionsOf).sort((a, b) => a.lines - b.lines);
const at = (share) => functions[Math.min(functions.length - 1, Math.floor(functions.length * share))];

console.log(`${functions.length} functions in ${files.length} files`);
console.log(`median ${at(0.5).lines}, p90 ${at(0.9).lines}, longest ${at(1).lines} lines`);
for (const { lines, name, file } of functions.slice(-10).reverse())
  console.log(`${String(lines).padStart(6)}  ${name}  ${file}`);
for (const file of files) {
  const lines = readFileSync(join(root, file), 'utf8').split('\n').length - 1;
  if (lines > 300) console.log(`${String(lines).padStart(6)}  lines in ${file}`);
}

function functionsOf(file) {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true);
  const found = [];
  const visit = (node) => {
    const name = nameOf(node);
    if (name !== undefined) found.push({ name, file, lines: linesOf(source, node) });
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** The name of a function that has a body and a name; arrow functions have that of their constant. */
function nameOf(node) {
  if (ts.isConstructorDeclaration(node)) return node.body && 'constructor';
  if (ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node) || ts.isAccessor(node))
    return node.body && node.name?.getText();
  const isFunction = ts.isArrowFunction(node) || ts.isFunctionExpression(node);
  return isFunction && ts.isVariableDeclaration(node.parent) ? node.parent.name.getText() : undefined;
}

function linesOf(source, node) {
  const line = (position) => source.getLineAndCharacterOfPosition(position).line;
  return line(node.getEnd()) - line(node.getStart()) + 1;
}
