import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import { type Clock, QuaysideError } from '@app/core';

/** How much of a body is read, and for how long. */
export interface BodyLimits {
  /** Counted before and after inflating. */
  readonly limitBytes: number;
  /** For the whole body, from the first look at it. */
  readonly timeoutMs: number;
}

const FIRST_BYTES = 64 * 1024;
const INFLATERS = { gzip: promisify(gunzip), deflate: promisify(inflate) };
const JSON_MEDIA_TYPE = /^application\/json\s*(?:;\s*charset\s*=\s*(?:utf-8|"utf-8")\s*)?$/i;

type Encoding = keyof typeof INFLATERS | 'identity';

/** Whether the request announces a body, which it may never send. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/**
 * The bytes of a JSON body, inflated. What the headers tell is refused before a byte is read, the size first.
 * Throws body_too_large, unsupported_encoding, unsupported_media_type, request_timeout, invalid_encoding, client_closed.
 */
export function readJsonBytes(request: IncomingMessage, limits: BodyLimits, clock: Clock): Promise<Uint8Array> {
  if (Number(request.headers['content-length'] ?? 0) > limits.limitBytes) throw tooLarge(limits);
  const encoding = encodingOf(request);
  assertJson(request);
  const bytes = readBytes(request, limits, clock);
  return encoding === 'identity' ? bytes : bytes.then((deflated) => inflateBytes(deflated, encoding, limits));
}

function encodingOf({ headers }: IncomingMessage): Encoding {
  const encoding = headers['content-encoding']?.trim().toLowerCase() ?? 'identity';
  if (encoding === 'identity' || encoding === 'gzip' || encoding === 'deflate') return encoding;
  throw new QuaysideError('unsupported_encoding', 'The Content-Encoding must be gzip, deflate or identity.');
}

function assertJson({ headers }: IncomingMessage): void {
  if (JSON_MEDIA_TYPE.test(headers['content-type'] ?? '')) return;
  throw new QuaysideError('unsupported_media_type', 'The Content-Type must be application/json, in UTF-8.');
}

/** Reads into one growing buffer: a million chunks of one byte cost no more than one of a million. */
function readBytes(request: IncomingMessage, limits: BodyLimits, clock: Clock): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const { limitBytes, timeoutMs } = limits;
  let buffer = Buffer.allocUnsafe(Math.min(Number(request.headers['content-length'] ?? FIRST_BYTES), FIRST_BYTES));
  let size = 0;
  const onData = (chunk: Buffer): void => {
    if (size + chunk.length > limitBytes) return fail(tooLarge(limits));
    if (size + chunk.length > buffer.length) buffer = grown(buffer, size + chunk.length);
    chunk.copy(buffer, size);
    size += chunk.length;
  };
  const onEnd = (): void => {
    timer.cancel();
    resolve(size === buffer.length ? buffer : buffer.subarray(0, size));
  };
  const onClose = (): void => {
    // A body that was read whole closes, too, before anyone has heard of its end; an error with its stack costs 15 µs.
    if (!request.readableEnded)
      fail(new QuaysideError('client_closed', 'The client left before its body had arrived.'));
  };
  /** What still comes of a body that nobody reads to its end stays where it is. */
  const fail = (error: QuaysideError): void => {
    timer.cancel();
    request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose).pause();
    reject(error);
  };
  const timer = clock.setTimer(timeoutMs, () => fail(tooSlow(timeoutMs)));
  request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  return promise;
}

function grown(buffer: Buffer<ArrayBuffer>, needed: number): Buffer<ArrayBuffer> {
  const larger = Buffer.allocUnsafe(Math.max(needed, 2 * buffer.length));
  buffer.copy(larger);
  return larger;
}

async function inflateBytes(
  bytes: Uint8Array,
  encoding: keyof typeof INFLATERS,
  limits: BodyLimits,
): Promise<Uint8Array> {
  try {
    return await INFLATERS[encoding](bytes, { maxOutputLength: limits.limitBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limits);
    throw new QuaysideError('invalid_encoding', `The body is not valid ${encoding}.`, { cause: error });
  }
}

function tooLarge({ limitBytes }: BodyLimits): QuaysideError {
  return new QuaysideError('body_too_large', `The body is larger than the ${limitBytes} bytes that this route takes.`);
}

function tooSlow(timeoutMs: number): QuaysideError {
  return new QuaysideError('request_timeout', `The body did not arrive within ${timeoutMs} ms.`);
}
