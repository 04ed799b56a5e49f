import type { Clock } from '@app/core';
import { type ChainableCommander, Redis } from 'ioredis';
import type { CacheCounters } from './cache-counters';
import type { SharedResult, SharedResults } from './shared-results';

/** How a store is reached, and who is told of its state. */
export interface RedisResultsOptions {
  /** `redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS. */
  readonly url: string;
  readonly clock: Clock;
  readonly counters: CacheCounters;
  /** Called when Redis begins to fail, with the reason, and when it answers again. At first it is taken to answer. */
  readonly onChange: (state: 'failing' | 'answering', reason?: string) => void;
}

/** Begins every key; the number changes with the layout of what is kept. */
const PREFIX = 'quayside:result:1:';
/** A read that takes longer is a miss: it may cost an answer no more than this. */
const READ_TIMEOUT_MS = 20;
/** After so many failures in a row Redis is left alone for a while; then the next call tries it again. */
const FAILURES_BEFORE_OFF = 3;
const OFF_MS = 5000;
/** Writes that Redis has not taken yet; beyond this they are dropped. */
const MAX_UNWRITTEN_BYTES = 8 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 2000;
const MAX_RECONNECT_DELAY_MS = 2000;
const CLOSE_TIMEOUT_MS = 200;

/**
 * Results in Redis, each with its own time to live. It never holds up an answer for longer than 20 ms and never fails
 * one: late, refused and unreadable are all misses. Off for 5 s after three failures in a row.
 */
export class RedisResults implements SharedResults {
  private readonly redis: Redis;
  private state: 'failing' | 'answering' = 'answering';
  private failures = 0;
  private offUntilMs = -Infinity;
  private unwrittenBytes = 0;

  constructor(private readonly options: RedisResultsOptions) {
    this.redis = new Redis(options.url, {
      connectionName: 'quayside-results',
      connectTimeout: CONNECT_TIMEOUT_MS,
      retryStrategy: (attempt) => Math.min(50 * 2 ** attempt, MAX_RECONNECT_DELAY_MS),
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
    });
    this.redis.on('error', (error: Error) => this.tell('failing', error.message));
    this.redis.on('ready', () => this.tell('answering'));
  }

  get isAnswering(): boolean {
    return this.state === 'answering';
  }

  /** Whether it can be asked now. */
  get isConnected(): boolean {
    return this.redis.status === 'ready';
  }

  async read(model: string, keys: readonly string[]): Promise<readonly (SharedResult | undefined)[]> {
    if (!this.canAsk(model)) return [];
    const commands = this.redis.pipeline();
    for (const key of keys) commands.getBuffer(PREFIX + key).pttl(PREFIX + key);
    const replies = await this.inTime(model, commands);
    return keys.map((_, index) => resultOf(replies[2 * index], replies[2 * index + 1]));
  }

  write(model: string, results: ReadonlyMap<string, SharedResult>): void {
    if (!this.canAsk(model)) return;
    const sizeBytes = [...results.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (this.unwrittenBytes + sizeBytes > MAX_UNWRITTEN_BYTES) {
      this.options.counters.of(model).sharedErrors += 1;
      return;
    }
    const commands = this.redis.pipeline();
    for (const [key, { bytes, ttlMs }] of results) {
      commands.set(PREFIX + key, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), 'PX', Math.ceil(ttlMs));
    }
    this.unwrittenBytes += sizeBytes;
    void repliesTo(commands)
      .then(() => this.succeeded())
      .catch((error: unknown) => this.failed(model, error))
      .finally(() => (this.unwrittenBytes -= sizeBytes));
  }

  async close(): Promise<void> {
    const timeout = Promise.withResolvers<void>();
    const timer = this.options.clock.setTimer(CLOSE_TIMEOUT_MS, () => timeout.resolve());
    await Promise.race([this.redis.quit().catch(() => {}), timeout.promise]);
    timer.cancel();
    this.redis.disconnect();
  }

  /** Not while it rests, nor without a connection: that is sought in the background, and nobody waits for it. */
  private canAsk(model: string): boolean {
    if (this.options.clock.monotonicMs() < this.offUntilMs) return false;
    if (this.isConnected) return true;
    this.options.counters.of(model).sharedErrors += 1;
    return false;
  }

  /** The replies, or none. */
  private async inTime(model: string, commands: ChainableCommander): Promise<readonly unknown[]> {
    const late = Promise.withResolvers<undefined>();
    const timer = this.options.clock.setTimer(READ_TIMEOUT_MS, () => late.resolve(undefined));
    try {
      const replies = await Promise.race([repliesTo(commands), late.promise]);
      if (replies) this.succeeded();
      else this.timedOut(model);
      return replies ?? [];
    } catch (error) {
      this.failed(model, error);
      return [];
    } finally {
      timer.cancel();
    }
  }

  private timedOut(model: string): void {
    this.options.counters.of(model).sharedTimeouts += 1;
    this.rest(`no answer within ${READ_TIMEOUT_MS} ms`);
  }

  private failed(model: string, error: unknown): void {
    this.options.counters.of(model).sharedErrors += 1;
    this.rest(error instanceof Error ? error.message : String(error));
  }

  private rest(reason: string): void {
    this.failures += 1;
    if (this.failures < FAILURES_BEFORE_OFF) return;
    this.offUntilMs = this.options.clock.monotonicMs() + OFF_MS;
    this.tell('failing', reason);
  }

  private succeeded(): void {
    this.failures = 0;
    this.offUntilMs = -Infinity;
    this.tell('answering');
  }

  private tell(state: 'failing' | 'answering', reason?: string): void {
    if (this.state === state) return;
    this.state = state;
    this.options.onChange(state, reason);
  }
}

/** Throws the first error that a command met. */
async function repliesTo(commands: ChainableCommander): Promise<readonly unknown[]> {
  const replies = (await commands.exec()) ?? [];
  const [failure] = replies.flatMap(([error]) => error ?? []);
  if (failure) throw failure;
  return replies.map(([, reply]) => reply);
}

/** A reply is a view on what the socket read at once: a copy keeps its own bytes alone, and aligned. */
function resultOf(reply: unknown, ttlMs: unknown): SharedResult | undefined {
  if (!Buffer.isBuffer(reply) || typeof ttlMs !== 'number' || ttlMs <= 0) return undefined;
  return { bytes: Uint8Array.from(reply), ttlMs };
}
