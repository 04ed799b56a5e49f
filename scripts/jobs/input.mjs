import { createReadStream, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { UsageFault } from './usage.mjs';

const TYPES = {
  jsonl: 'application/x-ndjson',
  ndjson: 'application/x-ndjson',
  csv: 'text/csv',
  json: 'application/json',
};
const ENCODINGS = { gz: 'gzip', zst: 'zstd' };
const ENDING = /(?:^|\.)(jsonl|ndjson|csv|json)(?:\.(gz|zst))?$/i;

/**
 * What is to be sent: its headers, its size if known, and how to read it. `again`: whether it can be read a second time,
 * as a pipe cannot.
 */
export function inputOf(name, { format, cwd, stdin }) {
  const headers = headersOf(name, format);
  if (name === '-') return { name: 'standard input', headers, again: false, open: () => stdin };
  const path = resolve(cwd, name);
  const { size } = statSync(path);
  const length = { ...headers, 'content-length': String(size) };
  return { name: basename(name), headers: length, size, again: true, open: () => createReadStream(path) };
}

/** By the ending of the name, or of what was said instead. */
function headersOf(name, format) {
  const [, type, packed] = ENDING.exec(format ?? name) ?? [];
  if (type === undefined) {
    const endings = 'jsonl, ndjson, csv or json, with .gz or .zst behind it if it is compressed';
    throw new UsageFault(`Say with --format how ${name === '-' ? 'the rows are' : name + ' is'} written: ${endings}.`);
  }
  const encoding = packed === undefined ? {} : { 'content-encoding': ENCODINGS[packed.toLowerCase()] };
  return { 'content-type': TYPES[type.toLowerCase()], ...encoding };
}
