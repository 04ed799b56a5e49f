import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PROFILES } from './profiles.mjs';
import { markdown } from './report.mjs';

const FOLDER = fileURLToPath(new URL('results', import.meta.url));

/**
 * Writes the samples of a run and its tables, and gives the tables. A run of some profiles is added to an earlier one of
 * the same day, commit and settings, whose other profiles stay: a whole report may be made in several goes, whatever sides
 * each had. Each number of serving processes has a report of its own. Quick runs
 * have files of their own, which are not kept in the repository.
 */
export function writeResults(run) {
  mkdirSync(FOLDER, { recursive: true });
  const { quick, processes } = run.options;
  const name = quick ? 'quick' : [run.when.slice(0, 10), run.commit, ...(processes ? [`p${processes}`] : [])].join('-');
  const file = join(FOLDER, `${name}.json`);
  const whole = existsSync(file) ? merged(JSON.parse(readFileSync(file, 'utf8')), run) : run;
  const tables = markdown(whole);
  writeFileSync(file, `${JSON.stringify(whole, rounded)}\n`);
  writeFileSync(join(FOLDER, quick ? 'quick.md' : 'latest.md'), tables);
  return tables;
}

function merged(earlier, run) {
  if (settingsOf(earlier) !== settingsOf(run)) return run;
  const isOld = ({ profile }) => profile !== undefined && !run.profiles.includes(profile);
  const samples = [...earlier.samples.filter(isOld), ...run.samples];
  const order = Object.keys(PROFILES);
  samples.sort((a, b) => order.indexOf(a.profile) - order.indexOf(b.profile));
  return { ...run, samples, skipped: [...earlier.skipped.filter(isOld), ...run.skipped] };
}

/** What must be equal for the samples of two runs to stand in one report. */
function settingsOf({ when, commit, options: { profiles: _profiles, sides: _sides, ...settings } }) {
  return JSON.stringify({ day: when.slice(0, 10), commit, ...settings });
}

function rounded(_, value) {
  return typeof value === 'number' ? Number(value.toPrecision(6)) : value;
}
