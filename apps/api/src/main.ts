import 'reflect-metadata';
import type { AddressInfo } from 'node:net';
import { type Config, ConfigError, parseConfig } from '@app/config';
import { Drain } from '@app/core';
import { DrainService, Readiness } from '@app/health';
import { LogStream, NestLogger } from '@app/observability';
import type { INestApplication } from '@nestjs/common';
import { createApp } from './bootstrap';
import { isLoopback } from './http/http-policy';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const STILL_STARTING_EVERY_MS = 10_000;
const LAST_LINES_MS = 1000;
const ABANDON_MS = { 'stop-taking': 500, finish: 500, flush: 500, close: 2000 };

/** Something that the operator can put right. The message is one sentence that says how. */
class StartFault extends Error {}

let app: INestApplication | undefined;

async function main(): Promise<void> {
  // Until there is something to drain, a signal just ends the process.
  for (const signal of SIGNALS) process.on(signal, () => void stop(signal));
  process.on('uncaughtException', die);
  process.on('unhandledRejection', die);
  try {
    await start(parseConfig());
  } catch (fault) {
    await refuseToStart(fault);
  }
}

async function start(config: Config): Promise<void> {
  app = await createApp(config);
  await listen(app, config);
  const logger = app.get(NestLogger);
  tellListening(app, logger);
  if (!isLoopback(config.http.host)) warnOfNetwork(logger, config);
  await untilReady(app.get(Readiness), logger);
  tellReady(app, logger);
}

/** From here on the probes answer. */
async function listen(server: INestApplication, { http }: Config): Promise<void> {
  try {
    await server.listen(http.port, http.host);
  } catch (fault) {
    throw asStartFault(fault, http) ?? fault;
  }
}

function asStartFault(fault: unknown, { host, port }: Config['http']): StartFault | undefined {
  switch ((fault as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return new StartFault(
        `Port ${port} of ${host} is taken: stop what listens there, or set HTTP_PORT (0 takes a free one).`,
      );
    case 'EACCES':
      return new StartFault(`Port ${port} needs rights that this user lacks: set HTTP_PORT to 1024 or more.`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new StartFault(
        `HTTP_HOST ${host} is no address of this machine: use 127.0.0.1, or 0.0.0.0 for all of its addresses.`,
      );
    default:
      return undefined;
  }
}

function warnOfNetwork(logger: NestLogger, { http }: Config): void {
  const message = `Listening on ${http.host}: every route is open to whoever reaches the port, as there are no keys.`;
  logger.warn({ event: 'open_to_network', host: http.host, msg: message });
}

async function untilReady(readiness: Readiness, logger: NestLogger): Promise<void> {
  const reminder = setInterval(() => {
    const reasons = [readiness.modelsHealth(), readiness.executorsHealth()]
      .map(({ reason }) => reason)
      .join(' ')
      .trim();
    logger.warn({ event: 'still_starting', msg: `Not ready yet. ${reasons}` });
  }, STILL_STARTING_EVERY_MS);
  await readiness.whenReady();
  clearInterval(reminder);
}

function tellListening(server: INestApplication, logger: NestLogger): void {
  logger.log({ event: 'listening', address: urlOf(server), msg: `Listening on ${urlOf(server)}, loading models` });
  void server.get(LogStream).flush(LAST_LINES_MS);
}

function tellReady(server: INestApplication, logger: NestLogger): void {
  const url = urlOf(server);
  const models = server
    .get(Readiness)
    .models()
    .map(({ name }) => name);
  const msg = `Quayside is ready at ${url} · docs ${url}/docs · models: ${models.join(', ') || 'none'}`;
  logger.log({ event: 'ready', address: url, docs: `${url}/docs`, models, msg });
  void server.get(LogStream).flush(LAST_LINES_MS);
}

function urlOf(server: INestApplication): string {
  const { address, family, port } = server.getHttpServer().address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

async function stop(cause: string): Promise<void> {
  if (!app) process.exit(0);
  // A drain may wait on nothing but timers that do not keep the process alive.
  setInterval(() => {}, 1000);
  const code = await app.get(DrainService).stop(cause);
  await app.get(LogStream).flush(LAST_LINES_MS);
  process.exit(code);
}

async function refuseToStart(fault: unknown): Promise<void> {
  if (!(fault instanceof ConfigError || fault instanceof StartFault)) return die(fault);
  process.stderr.write(`Quayside cannot start. ${fault.message}\n`);
  await app?.get(Drain).run(ABANDON_MS);
  process.exit(1);
}

/** A defect: the state of the process is unknown, so it ends. What it started ends with it. */
function die(fault: unknown): never {
  if (app) app.get(NestLogger).fatal({ event: 'process_died', err: fault });
  else process.stderr.write(`Quayside cannot start. ${fault instanceof Error ? fault.stack : String(fault)}\n`);
  process.exit(1);
}

void main();
