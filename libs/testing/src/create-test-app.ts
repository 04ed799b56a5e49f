import type { AddressInfo } from 'node:net';
import { Drain } from '@app/core';
import type { DynamicModule, INestApplication, NestApplicationOptions, Type } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import type { TestingModuleBuilder } from '@nestjs/testing';
import { opened } from './open-resources';

/** What a test changes of the application. */
export interface TestAppOptions {
  /** Swaps providers: `(module) => module.overrideProvider(Executor).useValue(new FakeExecutor())`. */
  readonly override?: (module: TestingModuleBuilder) => TestingModuleBuilder;
  /** The HTTP adapter that the application runs on. Default: Nest's own. */
  readonly adapter?: AbstractHttpAdapter;
  /** Nest's options. Default: its logger is silent. */
  readonly nest?: NestApplicationOptions;
  /** What the application's `main.ts` does between creating and listening. */
  readonly configure?: (app: INestApplication) => void | Promise<void>;
}

/** A running application. `close` it, or take it with `await using`; a test that leaves it open fails. */
export interface TestApp extends AsyncDisposable {
  /** Where it listens: `http://127.0.0.1:<a free port>`. */
  readonly url: string;
  readonly app: INestApplication;
  /** Stops listening and runs every shutdown hook; safe to call twice. */
  close(): Promise<void>;
}

/** Nothing is under way when a test ends, so nothing is waited for; what is held is closed. */
const ABANDON_MS = { 'stop-taking': 1000, finish: 0, flush: 1000, close: 10_000 };

/** Starts a Nest application in this process on a free port of the loopback, with providers swapped. */
export async function createTestApp(module: Type | DynamicModule, options: TestAppOptions = {}): Promise<TestApp> {
  const app = await build(module, options);
  const closed = opened('test app');
  const close = async (): Promise<void> => {
    await drainOf(app)?.run(ABANDON_MS);
    await app.close();
    closed();
  };
  try {
    await options.configure?.(app);
    await app.listen(0, '127.0.0.1');
  } catch (cause) {
    await close();
    throw cause;
  }
  const { port } = app.getHttpServer().address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, app, close, [Symbol.asyncDispose]: close };
}

async function build(module: Type | DynamicModule, options: TestAppOptions): Promise<INestApplication> {
  // Loaded here and not above: most specs want a clock or a fake from this library, and Nest costs each of them a second.
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  const { Test } = require('@nestjs/testing') as typeof import('@nestjs/testing');
  const builder = Test.createTestingModule({ imports: [module] });
  const compiled = await (options.override?.(builder) ?? builder).compile();
  const nest: NestApplicationOptions = { logger: false, ...options.nest };
  if (options.adapter) return compiled.createNestApplication(options.adapter, nest);
  return compiled.createNestApplication(nest);
}

/** An application without Quayside's modules has none. */
function drainOf(app: INestApplication): Drain | undefined {
  try {
    return app.get(Drain, { strict: false });
  } catch {
    return undefined;
  }
}
