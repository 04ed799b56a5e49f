import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bodyAt, requestBytes } from '../corpus.mjs';
import { percentile } from '../figures.mjs';
import { Connection } from '../load/connection.mjs';
import { selfTimeByArea } from '../load/cpu-profile.mjs';

const PARTS = fileURLToPath(new URL('../sides/request-parts.mjs', import.meta.url));
const REQUEST = { path: '/predict', model: 'banking-intents' };
const TIMING = /^server-timing: *queue;dur=([\d.]+), *compute;dur=([\d.]+), *total;dur=([\d.]+)/im;
const LEAST_SHARE = 0.005;
const run = promisify(execFile);

/** What each step is, in the order of a request, and how it was measured. Steps with `of` are parts of another. */
const STEPS = [
  ['http floor', 'socket, HTTP, client', 'bare node:http, same bytes, one connection'],
  ['parse', 'JSON to an object', 'called singly'],
  ['validate', 'compiled validator of the DTO', 'called singly'],
  ['prepare', 'task makes tensors', 'called singly'],
  ['key', 'key of the result cache', 'called singly'],
  ['queue', 'waiting for an executor', 'Server-Timing'],
  ['frame', 'the call to a frame and back', 'called singly'],
  ['tokenise', 'text to tokens to tensors', 'inside the executor'],
  ['run', 'ONNX Runtime', 'inside the executor'],
  ['scores', 'softmax and the best', 'inside the executor'],
  ['frame back', 'the answer to a frame and back', 'called singly'],
  ['wire', 'two hops between processes', 'Server-Timing compute, less what the executor did and the frames'],
  ['present', 'tensors to an answer', 'called singly'],
  ['serialise', 'answer to JSON', 'called singly'],
  ['the rest', 'Nest, Express, guards, log line, ids, headers, scheduling', 'by difference'],
  ['whole', 'first byte sent to last byte received', 'one connection'],
];

/**
 * Where one request spends its time: the whole at one connection, the parts called singly, and the rest by difference;
 * then where the process that serves HTTP spends its CPU time under load.
 */
export async function anatomy({ profile, starter, loop, scratch, options, tell }) {
  tell(`${profile}: the parts singly`);
  const parts = JSON.parse((await run(process.execPath, [PARTS])).stdout);
  tell(`${profile}: the whole at one connection`);
  const whole = await measureSide(await starter.start('quayside', { env: { HTTP_PROCESSES: '0' } }), options);
  const floor = await measureSide(await starter.start('bare-http', REQUEST), options);
  const steps = stepsOf({ parts, whole, floor }).map((step) => ({ profile, side: 'quayside', round: 1, ...step }));
  const areas = [];
  for (const mode of ['live', 'cached']) {
    tell(`${profile}: CPU profile under load, ${mode}`);
    areas.push(...(await profiled({ mode, starter, loop, scratch, options })));
  }
  return [...steps, ...areas.map((area) => ({ profile, side: 'quayside', round: 1, ...area }))];
}

async function measureSide(side, { seconds, warmUp }) {
  const connection = new Connection(side.url);
  let sent = 0;
  const forSeconds = async (duration) => {
    const rows = [];
    for (const until = performance.now() + duration * 1000; performance.now() < until;)
      rows.push(await ask(connection, sent++));
    return rows;
  };
  try {
    await forSeconds(warmUp);
    const rows = await forSeconds(seconds);
    const median = (name) =>
      percentile(
        rows.map((row) => row[name]),
        0.5,
      ) * 1000;
    return { responseUs: median('responseMs'), queueUs: median('queueMs'), computeUs: median('computeMs') };
  } finally {
    connection.close();
    await side.stop();
  }
}

async function ask(connection, n) {
  const request = requestBytes({ path: REQUEST.path, body: bodyAt(n, REQUEST.model) });
  const began = performance.now();
  const { status, head } = await connection.send(request);
  const responseMs = performance.now() - began;
  if (status !== 200) throw new Error(`An answer with status ${status}.`);
  const [queueMs, computeMs] = (TIMING.exec(head) ?? []).slice(1).map(Number);
  return { responseMs, queueMs, computeMs };
}

/** Microseconds by step. What no part accounts for is the rest. */
function stepsOf({ parts, whole, floor }) {
  const inside = parts.tokenise + parts.run + parts.scores;
  const us = {
    ...parts,
    'http floor': floor.responseUs,
    queue: whole.queueUs,
    wire: whole.computeUs - inside - parts.frame - parts['frame back'],
    whole: whole.responseUs,
  };
  const known = STEPS.map(([name]) => name).filter((name) => name !== 'whole' && name !== 'the rest');
  us['the rest'] = us.whole - known.reduce((sum, name) => sum + us[name], 0);
  return STEPS.map(([step, what, how]) => ({ part: 'steps', step, what, how, us: us[step] }));
}

/** CPU time of the process that serves HTTP by area, a request. */
async function profiled({ mode, starter, loop, scratch, options }) {
  const folder = join(scratch, `profile-${mode}`);
  mkdirSync(folder);
  const flags = ['--cpu-prof', '--cpu-prof-interval', '500', `--cpu-prof-dir=${folder}`];
  const side = await starter.quayside({ HTTP_PROCESSES: '0' }, flags);
  const seconds = options.warmUp + options.seconds;
  const load = { ...REQUEST, url: side.url, mode, connections: options.connections[0], seconds };
  let requests;
  try {
    ({ requests } = await loop.run(load));
  } finally {
    await side.stop();
  }
  const areas = selfTimeByArea(serverProfile(folder));
  const total = areas.reduce((sum, [, us]) => sum + us, 0);
  return areas
    .filter(([, us]) => us / total >= LEAST_SHARE)
    .map(([area, us]) => ({ part: mode, step: area, us: us / requests, share: us / total }));
}

/** The server's own profile: executors and their threads may write some too. */
function serverProfile(folder) {
  const profiles = readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')));
  const server = profiles.find(({ nodes }) =>
    nodes.some(({ callFrame }) => callFrame.url.includes('apps/api/src/main.js')),
  );
  if (!server) throw new Error('The server wrote no CPU profile.');
  return server;
}

/** The tables of the report. */
export function renderAnatomy(samples) {
  const of = (part) => samples.filter((sample) => sample.part === part);
  const steps = of('steps').map(({ step, what, how, us }) => `| ${step} | ${what} | ${us.toFixed(1)} | ${how} |`);
  return [
    '| step | what | µs (p50) | how it was measured |',
    '| --- | --- | ---: | --- |',
    ...steps,
    ...['live', 'cached'].flatMap((mode) => [
      '',
      `CPU time of the process that serves HTTP, \`${mode}\`, start and warm-up included:`,
      '',
      '| area | µs/request | share |',
      '| --- | ---: | ---: |',
      ...of(mode).map(({ step, us, share }) => `| ${step} | ${us.toFixed(1)} | ${(share * 100).toFixed(1)} % |`),
    ]),
  ];
}
