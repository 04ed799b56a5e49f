import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { pathToFileURL } from 'node:url';
import { type Logger, pino } from 'pino';
import { LogStream } from './log-stream';
import { prettyPrinter } from './pretty';

const MAX_CAUSES = 4;

/** What is logged, and in which form. */
export interface LogOptions {
  /** Least level that is logged. */
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  /** Readable lines with colours instead of NDJSON. Default: whether stdout is a terminal. */
  readonly pretty?: boolean;
  /** Where lines go; stdout by default. */
  readonly stream?: LogStream;
  /** Which process of the server writes: 0 the supervisor, 1 … n those that serve HTTP. Default 1. */
  readonly proc?: number;
}

/** The process's logger and the stream behind it. */
export interface Log {
  readonly logger: Logger;
  readonly stream: LogStream;
}

/** An error as it is logged. Messages of causes may hold native texts; they never reach a client. */
export interface LoggedError {
  readonly type: string;
  readonly message: string;
  readonly stack?: string;
  readonly code?: string;
  readonly cause?: LoggedError;
}

/** Makes the logger of a process: NDJSON with level names and ISO times, or readable lines on a terminal. */
export function createLog({
  level,
  pretty = process.stdout.isTTY,
  stream = new LogStream(),
  proc = 1,
}: LogOptions): Log {
  const logger = pino(
    {
      level,
      base: { version: productVersion(), proc, pid: process.pid },
      timestamp: isoTime(),
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: (error: unknown) => serializeError(error) },
    },
    pretty ? prettyStream(stream) : stream,
  );
  stream.whenResumed((count) => logger.warn({ event: 'log_lines_dropped', count }));
  return { logger, stream };
}

/** pino's `isoTime`, which writes each millisecond once: a busy server logs several lines in one. */
function isoTime(): () => string {
  let writtenMs = -1;
  let written = '';
  return () => {
    const nowMs = Date.now();
    if (nowMs !== writtenMs) written = `,"time":"${new Date(nowMs).toISOString()}"`;
    writtenMs = nowMs;
    return written;
  };
}

/** The version of Quayside, from its package.json. */
export function productVersion(): string {
  const path = findPackageJSON(pathToFileURL(__filename));
  const { version } = path ? (JSON.parse(readFileSync(path, 'utf8')) as { readonly version?: string }) : {};
  return version ?? 'unknown';
}

/** An error with its causes, without any other field that a library may have hung on it. */
export function serializeError(error: unknown, depth = 0): LoggedError {
  if (!isError(error)) return { type: typeof error, message: String(error) };
  const { name, message, stack, cause } = error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return {
    type: name,
    message,
    ...(stack !== undefined && { stack }),
    ...(code !== undefined && { code }),
    ...(cause !== undefined && depth < MAX_CAUSES && { cause: serializeError(cause, depth + 1) }),
  };
}

/** Errors of another realm count too. */
function isError(value: unknown): value is Error {
  return typeof value === 'object' && value !== null && 'message' in value && 'name' in value;
}

/** A person watches: each line shows at once. */
function prettyStream(stream: LogStream): { write(line: string): void; flushSync(): void } {
  const print = prettyPrinter();
  return {
    write: (line) => {
      stream.write(print(line));
      stream.flushSync();
    },
    flushSync: () => stream.flushSync(),
  };
}
