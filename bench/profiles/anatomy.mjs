import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bodyAt, requestBytes } from '../corpus.mjs';
import { percentile } from '../figures.mjs';
import { Connection } from '../load/connection.mjs';
import { selfTimeByArea, selfTimeByFunction } from '../load/cpu-profile.mjs';
import { Inspector } from '../load/inspector.mjs';
import { freePort } from '../processes.mjs';

const PARTS = fileURLToPath(new URL('../sides/request-parts.mjs', import.meta.url));
const REQUEST = { path: '/predict', model: 'banking-intents' };
const TIMING = /^server-timing: *queue;dur=([\d.]+), *compute;dur=([\d.]+), *total;dur=([\d.]+)/im;
const MODES = ['live', 'cached'];
const LEAST_US = 0.5;
const MOST_FUNCTIONS = 25;
const run = promisify(execFile);

/** The steps in the order of a request: what each is, and how it was measured. The last is the sum of all. */
const STEPS = [
  ['http', 'sockets, node:http and the client', 'bare node:http with the same bytes, one connection'],
  ['door', 'Express, Nest, guards, headers, ids, log line', 'whole, less Server-Timing total, http and serialise'],
  ['parse', 'JSON to an object', 'called singly'],
  ['validate', 'compiled validator of the DTO', 'called singly'],
  ['prepare', 'the task makes tensors', 'called singly'],
  ['key', 'key of the result cache', 'called singly'],
  ['queue', 'waiting for an executor', 'Server-Timing'],
  ['frame', 'call and answer to frames and back', 'called singly'],
  ['tokenise', 'text to tokens to tensors', 'called singly'],
  ['run', 'ONNX Runtime', 'called singly'],
  ['scores', 'softmax and the best', 'called singly'],
  ['waking', 'the same three by a process that had to wake up', 'Server-Timing compute, less the three'],
  ['hops', 'two hops between processes, scheduling, controller', 'Server-Timing total, less all that is in it'],
  ['present', 'tensors to an answer', 'called singly'],
  ['serialise', 'answer to JSON', 'called singly'],
  ['whole', 'first byte sent to last byte received', 'one connection'],
];

/**
 * Where one request spends its time: the whole at one connection, the parts called singly, and the rest by difference;
 * then where the process that serves HTTP spends its CPU time under load.
 */
export async function anatomy({ profile, starter, loop, options, tell }) {
  tell(`${profile}: the parts singly`);
  const parts = JSON.parse((await run(process.execPath, [PARTS])).stdout);
  tell(`${profile}: the whole at one connection`);
  const whole = await measureSide(await starter.start('quayside', { env: { HTTP_PROCESSES: '0' } }), options);
  const floor = await measureSide(await starter.start('bare-http', REQUEST), options);
  const steps = stepsOf({ parts, whole, floor }).map((step) => ({ profile, side: 'quayside', round: 1, ...step }));
  const areas = [];
  for (const mode of MODES) {
    tell(`${profile}: CPU profile under load, ${mode}`);
    areas.push(...(await profiled({ mode, starter, loop, options })));
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
    return {
      responseUs: median('responseMs'),
      queueUs: median('queueMs'),
      computeUs: median('computeMs'),
      totalUs: median('totalMs'),
    };
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
  const [queueMs, computeMs, totalMs] = (TIMING.exec(head) ?? []).slice(1).map(Number);
  return { responseMs, queueMs, computeMs, totalMs };
}

/** Microseconds by step; what no part accounts for is in `door`, `waking` and `hops`. */
function stepsOf({ parts, whole, floor }) {
  const { responseUs, queueUs, computeUs, totalUs } = whole;
  const frame = parts.frame + parts['frame back'];
  const inTotal = parts.parse + parts.validate + parts.prepare + parts.key + frame + parts.present;
  const us = {
    ...parts,
    frame,
    http: floor.responseUs,
    door: responseUs - totalUs - floor.responseUs - parts.serialise,
    queue: queueUs,
    waking: computeUs - parts.tokenise - parts.run - parts.scores,
    hops: totalUs - queueUs - computeUs - inTotal,
    whole: responseUs,
  };
  return STEPS.map(([step, what, how]) => ({ part: 'steps', step, what, how, us: us[step] }));
}

/** CPU time of the process that serves HTTP by area, a request, once it is warm. */
async function profiled({ mode, starter, loop, options }) {
  const inspected = `127.0.0.1:${await freePort()}`;
  const side = await starter.quayside({ HTTP_PROCESSES: '0' }, [`--inspect=${inspected}`]);
  const load = { ...REQUEST, url: side.url, mode, connections: options.connections[0] };
  try {
    await loop.run({ ...load, seconds: options.warmUp });
    const inspector = await Inspector.attach(inspected);
    const { profile, result } = await inspector.profile(() => loop.run({ ...load, seconds: options.seconds }));
    inspector.close();
    return [
      ...tableOf(selfTimeByArea(profile), mode, result.requests),
      ...tableOf(selfTimeByFunction(profile).slice(0, MOST_FUNCTIONS), `${mode}, functions`, result.requests),
    ];
  } finally {
    await side.stop();
  }
}

function tableOf(rows, part, requests) {
  return rows.map(([step, us]) => ({ part, step, us: us / requests })).filter(({ us }) => us >= LEAST_US);
}

/** The tables of the report. */
export function renderAnatomy(samples) {
  const of = (part) => samples.filter((sample) => sample.part === part);
  const steps = of('steps').map(({ step, what, how, us }) => `| ${step} | ${what} | ${us.toFixed(1)} | ${how} |`);
  return [
    '| step | what | µs (p50) | how it was measured |',
    '| --- | --- | ---: | --- |',
    ...steps,
    ...MODES.flatMap((mode) => [
      '',
      `CPU time of the process that serves HTTP, \`${mode}\`, one process, by area and by function:`,
      '',
      ...areaTable('area', of(mode)),
      '',
      ...areaTable('function', of(`${mode}, functions`)),
    ]),
  ];
}

function areaTable(heading, rows) {
  const lines = rows.map(({ step, us }) => `| ${step} | ${us.toFixed(1)} |`);
  return [`| ${heading} | µs/request |`, '| --- | ---: |', ...lines];
}
