import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { ServerProcess } from '../e2e/server-process';
import { keepMeasures, percentiles } from './measures';

const RELOADS = Number(process.env['RELOADS'] ?? 100);
const CLIENTS = 8;

jest.setTimeout(1_200_000);

/** Clients that ask again and again, each on its own connection, for what no other asked; `newest` is what answered last. */
class Load {
  answered = 0;
  newest = 0;
  readonly tookMs: number[] = [];
  /** Every answer but 200, every error, and every answer that is not the one of the version it names. */
  readonly failures: string[] = [];
  private stopped = false;
  private asked = 0;
  private readonly running: Promise<unknown>;

  constructor(private readonly url: string) {
    this.running = Promise.all(Array.from({ length: CLIENTS }, () => this.client()));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  private async client(): Promise<void> {
    while (!this.stopped) {
      const beganAt = performance.now();
      await this.ask((this.asked += 1)).catch((error: unknown) => this.failures.push(String(error)));
      this.tookMs.push(performance.now() - beganAt);
    }
  }

  /** Version v of the model adds v: an answer shows which version gave it. */
  private async ask(value: number): Promise<void> {
    const response = await fetch(`${this.url}/v1/models/adder/predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: { x: [[value]] } }),
    });
    const text = await response.text();
    if (response.status !== 200) return void this.failures.push(`${response.status} ${text}`);
    const { model_version, outputs } = JSON.parse(text) as { model_version: string; outputs: { y: number[][] } };
    this.answered += 1;
    this.newest = Math.max(this.newest, Number(model_version));
    if (outputs.y[0]?.[0] !== value + Number(model_version)) this.failures.push(`${value}: ${text}`);
  }
}

describe('a hundred new versions under load', () => {
  let models: string;
  let staging: string;

  beforeEach(async () => {
    models = await temporaryDirectory();
    staging = await temporaryDirectory();
  });

  /** Puts a version into its place in one step. */
  async function put(version: number): Promise<void> {
    const manifest = 'pinned: true\n';
    await writeModel(staging, { name: 'adder', version: String(version), model: tiny.adds(version), manifest });
    await rename(join(staging, 'adder', String(version)), join(models, 'adder', String(version)));
  }

  it('fail no request, and each answer is right for the version that it names', async () => {
    await writeModel(models, { name: 'adder', version: '1', model: tiny.adds(1), manifest: 'pinned: true\n' });
    await using server = await ServerProcess.start({ MODEL_DIR: models, MODEL_POLL_INTERVAL_MS: '50' });
    const load = new Load(await server.ready());
    const takenUpMs: number[] = [];
    try {
      for (let version = 2; version <= RELOADS + 1; version += 1) {
        const beganAt = performance.now();
        await put(version);
        await eventually(() => load.newest === version);
        takenUpMs.push(performance.now() - beganAt);
      }
    } finally {
      await load.stop();
    }
    const { answered, failures, tookMs } = load;
    await keepMeasures('hot-reload', {
      unit: 'ms',
      reloads: takenUpMs.length,
      clients: CLIENTS,
      answered,
      failed: failures.length,
      'from a version in its folder until it answers': percentiles(takenUpMs),
      'answers meanwhile': percentiles(tookMs),
    });
    expect(failures).toEqual([]);
    expect(takenUpMs).toHaveLength(RELOADS);
  });
});
