import { isUtf8 } from 'node:buffer';
import { QuaysideError } from './errors';

/** What a JSON body may have. */
export interface JsonLimits {
  /** How deep objects and arrays may nest; `[]` is 1. */
  readonly maxDepth: number;
  /** How many keys one object may have, counted as written, duplicates too. */
  readonly maxKeys: number;
  /** How many lists and objects a body may hold: what is cheap to send costs a hundred times that in memory. */
  readonly maxContainers: number;
}

/** What every body may have where nothing else is said. */
export const JSON_LIMITS: JsonLimits = { maxDepth: 64, maxKeys: 1000, maxContainers: 500_000 };

const QUOTE = 0x22;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const CAPITAL_I = 0x49;
const CAPITAL_N = 0x4e;
/** 1 for the bytes above, at which the scan stops; most bytes of numbers and between tokens are not among them. */
const STOPS = new Uint8Array(256);
for (const byte of [QUOTE, COLON, OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE, CAPITAL_I, CAPITAL_N]) {
  STOPS[byte] = 1;
}
/** Strings are searched byte by byte up to here, then natively: a call costs as much as some tens of bytes. */
const SHORT_STRING = 64;
/** `constructor` with every letter as a `\u` escape. */
const MAX_ESCAPED_KEY = 'constructor'.length * 6;

/**
 * The value of a JSON body: UTF-8, one leading byte order mark dropped, duplicate keys: the last wins. Time grows with
 * the length, whatever the bytes. Throws invalid_utf8, json_too_deep, json_too_many_keys, body_too_large (too many lists
 * and objects), forbidden_key (`__proto__` anywhere and however escaped, `constructor` holding `prototype`) and
 * invalid_json; messages hold nothing of the body.
 */
export function parseJsonBody(body: Uint8Array, limits: JsonLimits = JSON_LIMITS): unknown {
  if (!isUtf8(body)) throw new QuaysideError('invalid_utf8', 'The body is not valid UTF-8. Send JSON in UTF-8.');
  const bytes = hasByteOrderMark(body) ? body.subarray(3) : body;
  checkStructure(bytes, limits);
  try {
    return JSON.parse(asBuffer(bytes).toString()) as unknown;
  } catch {
    throw invalidJson(bytes.length === 0 ? 'It is empty: send a JSON value.' : undefined);
  }
}

function hasByteOrderMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

/** The bytes as a Buffer, which has the fast native searches and decoders. */
function asBuffer(bytes: Uint8Array): Buffer {
  return bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * One pass over the bytes before they are parsed; the hot loop of every request, hence one function with local state.
 * It is exact for valid JSON; for the rest it may refuse or stop early, and the parser refuses what is left.
 */
function checkStructure(bytes: Uint8Array, { maxDepth, maxKeys, maxContainers }: JsonLimits): void {
  /** Per depth: keys so far, and whether the object or array is the value of a `constructor` key. */
  const keys: number[] = [0];
  const isConstructor: boolean[] = [false];
  const mayEscape = asBuffer(bytes).includes(BACKSLASH);
  let depth = 0;
  let containers = 0;
  let stringStart = 0;
  let stringEnd = 0;
  let opensConstructor = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (STOPS[byte] === 0) continue;
    if (byte === QUOTE) {
      stringStart = at + 1;
      at = stringEnd = endOfString(bytes, stringStart);
    } else if (byte === COLON) {
      const count = (keys[depth] ?? 0) + 1;
      if (count > maxKeys) throw tooManyKeys(maxKeys);
      keys[depth] = count;
      const length = stringEnd - stringStart;
      const key = mayEscape || length === 9 || length === 11 ? keyOf(bytes, stringStart, stringEnd) : undefined;
      if (key === '__proto__' || (key === 'prototype' && isConstructor[depth])) throw forbiddenKey();
      opensConstructor = key === 'constructor';
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth > maxDepth) throw tooDeep(maxDepth);
      if (++containers > maxContainers) throw tooManyContainers(maxContainers);
      keys[depth] = 0;
      isConstructor[depth] = opensConstructor;
      opensConstructor = false;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (--depth < 0) return;
      opensConstructor = false;
    } else throw bareWord(bytes, at);
  }
}

/** Where the closing quote of a string is whose first byte is at `start`; the length of the bytes when there is none. */
function endOfString(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length) {
    for (const limit = at + SHORT_STRING; at < limit; at++) {
      const byte = bytes[at];
      if (byte === QUOTE) return at;
      if (byte === BACKSLASH) at++;
    }
    const quote = bytes.indexOf(QUOTE, at);
    if (quote < 0) break;
    if (!isEscaped(bytes, quote)) return quote;
    at = quote + 1;
  }
  return bytes.length;
}

/** Whether an odd run of backslashes stands before a byte. */
function isEscaped(bytes: Uint8Array, at: number): boolean {
  let start = at;
  while (bytes[start - 1] === BACKSLASH) start--;
  return (at - start) % 2 === 1;
}

/** The key between two quotes; undefined for one that is too long to be forbidden, or no JSON. */
function keyOf(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end - start > MAX_ESCAPED_KEY) return undefined;
  const text = asBuffer(bytes).toString('utf8', start, end);
  if (!text.includes('\\')) return text;
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return undefined;
  }
}

function tooDeep(maxDepth: number): QuaysideError {
  return new QuaysideError('json_too_deep', `The JSON nests deeper than ${maxDepth} levels.`);
}

function tooManyContainers(maxContainers: number): QuaysideError {
  return new QuaysideError('body_too_large', `The JSON holds more than ${maxContainers} lists and objects.`);
}

function tooManyKeys(maxKeys: number): QuaysideError {
  return new QuaysideError('json_too_many_keys', `One JSON object has more than ${maxKeys} keys.`);
}

function forbiddenKey(): QuaysideError {
  return new QuaysideError('forbidden_key', 'The JSON has a key __proto__, or prototype under constructor. Rename it.');
}

/** N and I begin no JSON value; what Python and Triton write as NaN and Infinity gets a hint. */
function bareWord(bytes: Uint8Array, at: number): QuaysideError {
  const isNonFinite = ['NaN', 'Infinity'].includes(
    asBuffer(bytes).toString('latin1', at, at + (bytes[at] === CAPITAL_N ? 3 : 8)),
  );
  return invalidJson(
    isNonFinite ? 'NaN and Infinity are no JSON numbers: send "NaN", "Infinity" or "-Infinity".' : undefined,
  );
}

function invalidJson(hint = 'Check it with a JSON parser.'): QuaysideError {
  return new QuaysideError('invalid_json', `The body is not valid JSON. ${hint}`);
}
