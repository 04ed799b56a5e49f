import { join } from 'node:path';
import type { PredictInput, Prediction } from '@app/inference';
import { Predictions } from '../integration/predictions-harness';
import { keepMeasures, percentiles } from './measures';

const MODELS = join(__dirname, '../../models');
/** A run of `minilm` takes milliseconds, and one of `banking-intents` a fraction of one. */
const [HEAVY, LIGHT] = ['minilm', 'banking-intents'];
/** What a batch of bulk work is sized to. */
const BULK_BATCH_MS = 200;
/** A batch's own time is less than that of its process, which takes it and hands it back. */
const ON_THE_WAY_MS = 20;
/** Five requests a second; and more of them, where each stands for itself. */
const [SELDOM_MS, OFTEN_MS] = [200, 60];
const WORDS = 'the card was charged twice and nobody at the bank could tell me when the money will be back'.split(' ');

let texts = 0;

/** Texts that were never sent before, of 2 to 18 words. */
function newTexts(rows: number): PredictInput {
  const textOf = (): string => `${(texts += 1)} ${WORDS.slice(0, 2 + (texts % 17)).join(' ')}`;
  return { form: 'rows', rows: Array.from({ length: rows }, () => ({ text: textOf() })) };
}

/** Time passes between arrivals: nothing is waited for here. */
function pause(ms: number): Promise<void> {
  // eslint-disable-next-line no-restricted-syntax
  return new Promise((resolve) => setTimeout(resolve, ms));
}

interface Timed extends Prediction {
  readonly tookMs: number;
}

async function timed(ask: Promise<Prediction>): Promise<Timed> {
  const beganAt = performance.now();
  return { ...(await ask), tookMs: performance.now() - beganAt };
}

/** Asks again as soon as it is answered, in so many places at once, until told to stop. */
function keepAsking(places: number, ask: () => Promise<Prediction>): { stop: () => Promise<Prediction[]> } {
  const answers: Prediction[] = [];
  let goesOn = true;
  const place = async (): Promise<void> => {
    while (goesOn) answers.push(await ask());
  };
  const all = Promise.all(Array.from({ length: places }, place));
  return {
    stop: async () => {
      goesOn = false;
      await all;
      return answers;
    },
  };
}

/** So many calls of one row, one after another with a pause between. */
async function calls(count: number, pauseMs: number, ask: () => Promise<Prediction>): Promise<readonly Timed[]> {
  const answers: Timed[] = [];
  for (let at = 0; at < count; at += 1) {
    await pause(pauseMs);
    answers.push(await timed(ask()));
  }
  return answers;
}

describe('whose turn it is, with one executor', () => {
  const measures: Record<string, unknown> = { unit: 'ms' };
  let predictions: Predictions;

  beforeAll(async () => {
    predictions = await Predictions.over(MODELS);
    for (const model of [HEAVY, LIGHT]) {
      for (let at = 0; at < 60; at += 1) await predictions.predict(model, newTexts(1));
    }
  }, 120_000);
  afterAll(async () => {
    await predictions.close();
    await keepMeasures('priorities', measures);
  });

  it('bulk work adds one of its batches at most to what an online call waits', async () => {
    const online = (): Promise<Prediction> => predictions.predict(HEAVY, newTexts(1));
    const without = await calls(60, OFTEN_MS, online);
    // Small ones, that each runs in a single batch and its time is that of the batch.
    const bulk = keepAsking(32, () => predictions.predictBulk(HEAVY, newTexts(2)));
    await pause(2000);
    const beside = await calls(60, OFTEN_MS, online);
    const jobs = await bulk.stop();
    measures['wait of online calls without bulk work'] = percentiles(without.map(({ queueMs }) => queueMs));
    measures['wait of online calls beside bulk work'] = percentiles(beside.map(({ queueMs }) => queueMs));
    const batches = percentiles(jobs.map(({ computeMs }) => computeMs));
    measures['batches of bulk work'] = batches;
    measures['rows of the largest bulk batch'] = Math.max(...jobs.map(({ batchSize }) => batchSize));
    expect(batches.p50).toBeLessThanOrEqual(BULK_BATCH_MS);
    expect(percentiles(beside.map(({ queueMs }) => queueMs)).p99).toBeLessThanOrEqual(batches.max + ON_THE_WAY_MS);
  }, 120_000);

  it('bulk work goes on while online calls never end', async () => {
    const online = keepAsking(16, () => predictions.predict(HEAVY, newTexts(1)));
    await pause(500);
    const beganAt = performance.now();
    const jobs: Prediction[] = [];
    while (jobs.length < 5) jobs.push(await predictions.predictBulk(HEAVY, newTexts(4)));
    const tookMs = performance.now() - beganAt;
    const answers = await online.stop();
    measures['bulk rows a second beside online calls without end'] = round((jobs.length * 4 * 1000) / tookMs);
    measures['online calls meanwhile'] = answers.length;
    expect(answers.length).toBeGreaterThan(5);
  }, 120_000);

  it('a model that is flooded does not double the p99 of another, but for one of its batches', async () => {
    const ask = (): Promise<Prediction> => predictions.predict(HEAVY, newTexts(1));
    const alone = percentiles((await calls(50, SELDOM_MS, ask)).map(({ tookMs }) => tookMs));
    const flood = keepAsking(128, () => predictions.predict(LIGHT, newTexts(1)));
    await pause(2000);
    const beside = percentiles((await calls(50, SELDOM_MS, ask)).map(({ tookMs }) => tookMs));
    const flooding = await flood.stop();
    const longestMs = Math.max(...flooding.slice(200).map(({ computeMs }) => computeMs));
    measures['answers of a model at 5 requests a second, alone'] = alone;
    measures['the same beside a model that 128 clients flood'] = beside;
    measures['the longest batch of the flooded model'] = round(longestMs);
    expect(flooding.length).toBeGreaterThan(1000);
    expect(beside.p99).toBeLessThanOrEqual(2 * alone.p99 + longestMs);
  }, 120_000);
});

const round = (value: number): number => Math.round(value * 10) / 10;
