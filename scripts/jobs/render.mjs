const count = (number) => number.toLocaleString('en-US');
const ENDED = ['succeeded', 'failed', 'cancelled', 'expired'];

export const hasEnded = ({ status }) => ENDED.includes(status);

/** "1 h 5 min", "4 min 12 s", "7 s". */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  if (hours > 0) return `${count(hours)} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

/** How far a job is, on one line, without its id. */
export function progressLine({ status, counts, progress }) {
  if (counts.total === null) return `${status}, its rows are being read`;
  const parts = [
    `${status} ${(progress?.percent ?? 0).toFixed(1)} %`,
    `${count(counts.total - counts.remaining)} of ${count(counts.total)} rows`,
    counts.failed > 0 && `${count(counts.failed)} failed`,
    progress?.rows_per_second > 0 && `${count(Math.round(progress.rows_per_second))} rows/s`,
    status === 'running' && progress?.eta_seconds > 0 && `${duration(progress.eta_seconds)} left`,
  ];
  return parts.filter(Boolean).join(' · ');
}

/** The same with a bar in front where the terminal is wide enough, and never wider than that. */
export function barLine(job, columns) {
  const text = progressLine(job);
  const width = Math.min(30, columns - text.length - 4);
  if (width < 10) return text.slice(0, columns - 1);
  const full = Math.round(((job.progress?.percent ?? 0) / 100) * width);
  return `[${'#'.repeat(full)}${'-'.repeat(width - full)}] ${text}`;
}

/** What became of a job that has ended, in sentences. */
export function outcomeLines(job) {
  const { id, status, counts, error } = job;
  const seconds = (Date.parse(job.finished_at) - Date.parse(job.started_at ?? job.created_at)) / 1000;
  const took = Number.isFinite(seconds) ? ` after ${duration(seconds)}` : '';
  const rows = counts.total === null ? '' : `: ${rowsSentence(job)}`;
  return [
    `${id} ${status}${took}${rows}.`,
    ...(error ? [`  ${error.message} (${error.code})`] : []),
    ...sampleLines(job, 5),
  ];
}

function rowsSentence(job) {
  const { total, succeeded, failed, remaining } = job.counts;
  const notRun = remaining > 0 ? `, ${count(remaining)} ${hasEnded(job) ? 'not run' : 'to go'}` : '';
  return `${count(succeeded)} of ${count(total)} rows succeeded, ${count(failed)} failed${notRun}`;
}

function sampleLines({ sample_errors: samples = [], counts }, limit) {
  const lines = samples
    .slice(0, limit)
    .map(({ index, id, error }) => `  row ${index} (${id}): ${error.message} (${error.code})`);
  const others = counts.failed - lines.length;
  return lines.length > 0 && others > 0 ? [...lines, `  and ${count(others)} more`] : lines;
}

/** Everything about a job, for a person. */
export function jobLines(job) {
  const { model, metadata = {}, links } = job;
  const facts = {
    state: `${progressLine(job)}${job.attempt > 1 ? ` · attempt ${job.attempt}` : ''}`,
    model: `${model.name} version ${model.version}`,
    rows: job.counts.total === null ? undefined : rowsSentence(job),
    priority: job.priority,
    metadata: Object.entries(metadata)
      .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
      .join(' '),
    created: job.created_at,
    started: job.started_at,
    finished: job.finished_at,
    deadline: job.deadline_at,
    'results until': job.results_expire_at,
    error: job.error && `${job.error.message} (${job.error.code})`,
    at: links?.self,
  };
  const shown = Object.entries(facts).filter(([, value]) => value);
  return [job.id, ...shown.map(([name, value]) => `  ${name.padEnd(14)} ${value}`), ...sampleLines(job, 20)];
}

/** Jobs below each other, a line each. */
export function tableLines(jobs) {
  const rows = jobs.map(({ id, status, model, counts, created_at: created }) => [
    id,
    status,
    `${model.name}@${model.version}`,
    counts.total === null ? '?' : `${count(counts.total - counts.remaining)}/${count(counts.total)}`,
    counts.failed > 0 ? `${count(counts.failed)} failed` : '',
    created,
  ]);
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at].length))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at]))
      .join('  ')
      .trimEnd(),
  );
}
