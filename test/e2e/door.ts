import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseConfig } from '@app/config';
import { Readiness } from '@app/health';
import {
  type TestApp,
  type TestAppOptions,
  type TinyModel,
  createTestApp,
  temporaryDirectory,
  writeModel,
} from '@app/testing';
import type { LoggerService } from '@nestjs/common';
import { AppModule } from '../../apps/api/src/app.module';
import { appParts } from '../../apps/api/src/bootstrap';
import { folderRead } from '../folder-read';
import { ApiContract } from './api-contract';

/** The models that the default install serves. */
export const DEFAULT_MODELS = join(__dirname, '../../models');

/** A model to write, and the text of its `model.yaml`. */
export type WrittenModel = TinyModel & { readonly manifest?: string | undefined };

/** What a door is opened with. It has no database, unless `DATABASE_URL` says otherwise. */
export interface DoorOptions extends Pick<TestAppOptions, 'override'> {
  /** Takes what the application logs through Nest. */
  readonly logger?: LoggerService;
  /** Whether to wait until the server is ready. Default true. */
  readonly waits?: boolean;
  /** Models to write, by name; or a folder that has some. */
  readonly models?: Readonly<Record<string, WrittenModel>> | string;
  /** Settings, as the environment has them. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** An answer, read whole. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; undefined when there is none. */
  readonly body: unknown;
}

/** The body of an error, as far as tests look at it. */
export interface ErrorAnswer {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
  readonly details: readonly { readonly field: string; readonly code: string }[];
  readonly request_id: string;
  readonly [key: string]: unknown;
}

/** Talks to a server. Every answer that it gets is checked against the committed document. */
export class ApiClient {
  private readonly contract = ApiContract.committed();

  constructor(readonly url: string) {}

  /** Sends a request, reads the answer, and checks that the document allows it. */
  async send(path: string, init: RequestInit = {}): Promise<Answer> {
    const method = init.method ?? 'GET';
    const response = await fetch(this.url + path, { redirect: 'manual', ...init });
    const text = await response.text();
    const body: unknown = text === '' || !isJson(response.headers) ? undefined : JSON.parse(text);
    const answer = { status: response.status, headers: response.headers, text, body };
    const asksForNumbers = typeof init.body === 'string' && init.body.includes('"int64":"number"');
    this.contract.check({ method, path, answer, asksForNumbers });
    return answer;
  }

  /** Posts JSON: a value, or text or bytes as they are. */
  post(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const isRaw = typeof body === 'string' || body instanceof Uint8Array;
    return this.send(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: isRaw ? (body as string) : JSON.stringify(body),
    });
  }
}

/** The whole application in this process, on a free port. */
export class Door extends ApiClient implements AsyncDisposable {
  private constructor(readonly server: TestApp) {
    super(server.url);
  }

  /** Starts it, and waits until every model is ready. */
  static async open(options: DoorOptions = {}): Promise<Door> {
    const { models = {}, settings = {}, override, logger, waits = true } = options;
    const directory = await temporaryDirectory();
    const modelDirectory = typeof models === 'string' ? models : await written(join(directory, 'models'), models);
    const config = parseConfig({
      LOG_LEVEL: 'silent',
      EXECUTOR_COUNT: '1',
      MODEL_ALLOW_EMPTY: 'true',
      MODEL_DIR: modelDirectory,
      DATA_DIR: join(directory, 'data'),
      DATABASE_URL: 'none',
      ...settings,
    });
    const { adapter, nest, configure } = appParts(config);
    const server = await createTestApp(AppModule.forRoot(config), {
      adapter,
      nest,
      configure: (app) => {
        configure(app);
        if (logger) app.useLogger(logger);
      },
      ...(override && { override }),
    });
    const door = new Door(server);
    await folderRead(server.app);
    if (waits) await server.app.get(Readiness).whenReady();
    return door;
  }

  close(): Promise<void> {
    return this.server.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The error of an answer that is one. */
export function errorOf({ body }: Answer): ErrorAnswer {
  return (body as { readonly error: ErrorAnswer }).error;
}

/** Status and code, which is what most tests compare. */
export function outcome(answer: Answer): string {
  return answer.status < 400 ? String(answer.status) : `${answer.status} ${errorOf(answer).code}`;
}

async function written(directory: string, models: Readonly<Record<string, WrittenModel>>): Promise<string> {
  mkdirSync(directory, { recursive: true });
  const writes = Object.entries(models).map(([name, { manifest, ...model }]) =>
    writeModel(directory, { name, model, ...(manifest !== undefined && { manifest }) }),
  );
  await Promise.all(writes);
  return directory;
}

function isJson(headers: Headers): boolean {
  return headers.get('content-type')?.startsWith('application/json') ?? false;
}
