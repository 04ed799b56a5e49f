import { isUtf8 } from 'node:buffer';
import { QuaysideError } from './errors';

/** What a JSON body may have. */
export interface JsonLimits {
  /** How deep objects and arrays may nest; `[]` is 1. */
  readonly maxDepth: number;
  /** How many keys one object may have, counted as written, duplicates too. */
  readonly maxKeys: number;
}

const DEFAULT_LIMITS: JsonLimits = { maxDepth: 64, maxKeys: 1000 };

const QUOTE = 0x22;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const CAPITAL_I = 0x49;
const CAPITAL_N = 0x4e;
/** "constructor" with every letter as \uXXXX. */
const MAX_ESCAPED_KEY = 'constructor'.length * 6;

/**
 * The value of a JSON body: UTF-8, one leading byte order mark dropped, duplicate keys: the last wins. Time grows with
 * the length, whatever the bytes. Throws invalid_utf8, json_too_deep, json_too_many_keys, forbidden_key (`__proto__`
 * anywhere and however escaped, `constructor` holding `prototype`) and invalid_json; messages hold nothing of the body.
 */
export function parseJsonBody(body: Uint8Array, limits: JsonLimits = DEFAULT_LIMITS): unknown {
  if (!isUtf8(body)) throw new QuaysideError('invalid_utf8', 'The body is not valid UTF-8. Send JSON in UTF-8.');
  const bytes = hasByteOrderMark(body) ? body.subarray(3) : body;
  const { hasBareNonFinite } = scanStructure(bytes, limits);
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')) as unknown;
  } catch {
    throw invalidJson(bytes, hasBareNonFinite);
  }
}

function hasByteOrderMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

function invalidJson(bytes: Uint8Array, hasBareNonFinite: boolean): QuaysideError {
  if (bytes.length === 0) return new QuaysideError('invalid_json', 'The body is empty. Send a JSON value.');
  const hint = hasBareNonFinite
    ? ' NaN and Infinity are no JSON numbers: send the strings "NaN", "Infinity", "-Infinity".'
    : '';
  return new QuaysideError('invalid_json', `The body is not valid JSON.${hint}`);
}

/**
 * One pass over the bytes before they are parsed; the hot loop of every request, hence in one function with local
 * state. It is exact for valid JSON; for the rest it may refuse or stop early, and the parser refuses what is left.
 */
function scanStructure(bytes: Uint8Array, { maxDepth, maxKeys }: JsonLimits): { readonly hasBareNonFinite: boolean } {
  /** Per depth: keys so far, and whether the object is the value of a `constructor` key. */
  const keys: number[] = [0];
  const isConstructor: boolean[] = [false];
  let depth = 0;
  let opensConstructor = false;
  let hasBareNonFinite = false;
  let stringStart = 0;
  let stringEnd = 0;
  let hasEscape = false;
  for (let at = 0; at < bytes.length; at++) {
    switch (bytes[at]) {
      case QUOTE: {
        stringStart = ++at;
        hasEscape = false;
        for (; at < bytes.length && bytes[at] !== QUOTE; at++) {
          if (bytes[at] !== BACKSLASH) continue;
          hasEscape = true;
          at++;
        }
        stringEnd = at;
        opensConstructor = false;
        break;
      }
      case COLON: {
        const count = (keys[depth] ?? 0) + 1;
        if (count > maxKeys) throw tooManyKeys(maxKeys);
        keys[depth] = count;
        const key = suspectKey(bytes, stringStart, stringEnd, hasEscape);
        if (key === '__proto__' || (key === 'prototype' && isConstructor[depth])) throw forbiddenKey();
        opensConstructor = key === 'constructor';
        break;
      }
      case OPEN_BRACE:
      case OPEN_BRACKET:
        if (++depth > maxDepth) throw tooDeep(maxDepth);
        keys[depth] = 0;
        isConstructor[depth] = opensConstructor && bytes[at] === OPEN_BRACE;
        opensConstructor = false;
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        if (--depth < 0) return { hasBareNonFinite };
        break;
      case CAPITAL_I:
      case CAPITAL_N:
        hasBareNonFinite = true;
        break;
    }
  }
  return { hasBareNonFinite };
}

/** The key between two quotes when it could be a forbidden one; undefined for all others, without decoding them. */
function suspectKey(bytes: Uint8Array, start: number, end: number, hasEscape: boolean): string | undefined {
  const length = end - start;
  if (!hasEscape) return length === 9 || length === 11 ? asciiOf(bytes, start, end) : undefined;
  if (length > MAX_ESCAPED_KEY) return undefined;
  try {
    return JSON.parse(`"${asciiOf(bytes, start, end)}"`) as string;
  } catch {
    return undefined;
  }
}

function asciiOf(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at] ?? 0);
  return text;
}

function tooDeep(maxDepth: number): QuaysideError {
  return new QuaysideError('json_too_deep', `The JSON nests deeper than ${maxDepth} levels.`);
}

function tooManyKeys(maxKeys: number): QuaysideError {
  return new QuaysideError('json_too_many_keys', `One JSON object has more than ${maxKeys} keys.`);
}

function forbiddenKey(): QuaysideError {
  return new QuaysideError('forbidden_key', 'The JSON has a key __proto__, or prototype under constructor. Rename it.');
}
