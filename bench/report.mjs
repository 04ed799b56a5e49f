import { median } from './figures.mjs';
import { PROFILES } from './profiles.mjs';
import { LABELS } from './sides.mjs';

/** Every figure that a sample may have: its heading, and how many decimals it is given with. */
const COLUMNS = {
  rate: ['requests/s', 0],
  cpuUs: ['CPU µs/request', 0],
  batch: ['rows a batch', 0],
  capacity: ['capacity/s', 0],
  offered: ['offered/s', 0],
  goodput: ['goodput of capacity', 2],
  p50: ['p50 ms', 3],
  p95: ['p95 ms', 3],
  p99: ['p99 ms', 3],
  response: ['response p50 ms', 3],
  compute: ['in the model p50 ms', 3],
  refused: ['refused', 2],
  refusalP99: ['refusals p99 ms', 1],
  late: ['given up at the deadline', 2],
  recovery: ['normal again ms', 0],
  failed: ['failed', 0],
  unanswered: ['unanswered', 0],
  p99Alone: ['p99 without cold loads ms', 3],
  p99Factor: ['p99 as a multiple of that', 2],
  p95Alone: ['p95 without the job ms', 3],
  p95Factor: ['p95 as a multiple of that', 2],
  jobRate: ['rows/s of the job meanwhile', 0],
  coldP50: ['cold p50 ms', 1],
  coldP99: ['cold p99 ms', 1],
  peakMegabytes: ['peak memory MB', 0],
};

/** The Markdown of one run: a table for each profile, medians over the rounds, and the targets with their verdicts. */
export function markdown({ when, commit, machine, options, samples, skipped }) {
  const { seconds, rounds, warmUp, processes } = options;
  return [
    `# Benchmark of ${commit}, ${when.slice(0, 10)}`,
    '',
    ...machine.map((line) => `- ${line}`),
    `- ${rounds} rounds of ${seconds} s, sides in turn, after ${warmUp} s of warm-up each; figures are medians of the rounds`,
    `- Quayside and bare node:http with ${processes ?? 1} serving ${processes > 1 ? 'processes' : 'process'}`,
    ...(options.quick ? ['- **A quick run: it shows that the bench works. Its figures mean nothing.**'] : []),
    ...skipped.map(({ says }) => `- **Skipped: ${says}**`),
    ...[...groupsOf(samples, ({ profile, connections }) => `${profile}|${connections ?? ''}`)].flatMap(section),
    '',
  ].join('\n');
}

/** Medians over the rounds, by side. */
export function mediansOf(samples) {
  return new Map(
    [...groupsOf(samples, ({ side }) => side)].map(([side, rounds]) => [
      side,
      Object.fromEntries(figuresIn(rounds).map((figure) => [figure, median(rounds.map((round) => round[figure]))])),
    ]),
  );
}

function section([key, samples]) {
  const [profile, connections] = key.split('|');
  const { shows, render } = PROFILES[profile];
  const at = connections === '' ? '' : `, ${connections} connections`;
  const medians = mediansOf(samples);
  const body = render ? render(samples) : [...table(medians), ...verdicts(profile, medians)];
  return ['', `## ${profile}${at}`, '', sentence(shows), '', ...body];
}

function table(medians) {
  const figures = Object.keys(COLUMNS).filter((name) => [...medians.values()].some((row) => row[name] !== undefined));
  const headings = ['side', ...figures.map((name) => COLUMNS[name][0])];
  const rows = [...medians].map(([side, row]) => [LABELS[side], ...figures.map((name) => shown(name, row[name]))]);
  return [headings, headings.map((_, index) => (index === 0 ? '---' : '---:')), ...rows].map(
    (cells) => `| ${cells.join(' | ')} |`,
  );
}

/** One line for each target whose two sides were measured. */
function verdicts(profile, medians) {
  const lines = PROFILES[profile].targets.flatMap(({ own: side = 'quayside', figure, bound, against, met, sign }) => {
    const own = medians.get(side);
    const other = against === undefined ? 1 : medians.get(against)?.[figure];
    if (own?.[figure] === undefined || other === undefined) return [];
    const value = own[figure] / other;
    const beside = against === undefined ? '' : ` × ${LABELS[against]}`;
    const limit = `${sign} ${Number(bound.toFixed(2))}`;
    return [
      `- ${side === 'quayside' ? '' : `${LABELS[side]}: `}${COLUMNS[figure][0]}: ${Number(value.toPrecision(3))}${beside}; target ${limit}: ${met(value) ? 'met' : '**missed**'}`,
    ];
  });
  return lines.length === 0 ? [] : ['', ...lines];
}

function figuresIn(rounds) {
  return Object.keys(COLUMNS).filter((name) => rounds.every((round) => typeof round[name] === 'number'));
}

function shown(name, value) {
  return value === undefined ? '–' : value.toFixed(COLUMNS[name][1]);
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

function groupsOf(items, keyOf) {
  return Map.groupBy(items, keyOf);
}
