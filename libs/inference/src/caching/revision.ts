import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { pathToFileURL } from 'node:url';

/** What may change an answer though the model stays the same. */
const PACKAGES = ['onnxruntime-node', '@huggingface/tokenizers'] as const;

/** The versions of Quayside, its engine and its tokenizer, from their package.json. */
export function softwareRevision(): string {
  const here = pathToFileURL(__filename);
  const packages = [findPackageJSON(here), ...PACKAGES.map((name) => findPackageJSON(name, here))];
  return packages.map(nameAndVersion).join(' ');
}

function nameAndVersion(path: string | undefined): string {
  if (path === undefined) return 'unknown';
  const { name, version } = JSON.parse(readFileSync(path, 'utf8')) as { readonly [Key in 'name' | 'version']: string };
  return `${name}@${version}`;
}
