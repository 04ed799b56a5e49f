import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * `npm run test:readme`: does what a newcomer does. Clones the committed tree into an empty folder and runs the README's
 * commands there, under an empty home: the one that serves until it is ready, those of jobs, then Ctrl-C; and the one that tests.
 * `npm run test:readme -- serve` or `-- test` does one of them. Port 8080 has to be free.
 */
const READY_MS = 600_000;
const STOP_MS = 40_000;
const STORED_MS = 60_000;
const root = fileURLToPath(new URL('..', import.meta.url));
const box = mkdtempSync(join(tmpdir(), 'quayside-readme-'));
const project = join(box, 'project');
const asked = process.argv[2];

mkdirSync(join(box, 'home'));
execFileSync('git', ['clone', '--quiet', root, project]);
const commands = npmCommands(readFileSync(join(project, 'README.md'), 'utf8'));
const [serveCommand, testCommand] = [commands.at(0), commands.at(-1)];
const jobCommands = commands.filter((command) => command.startsWith('npm run jobs'));
if (commands.length !== jobCommands.length + 2 || jobCommands.length === 0)
  throw new Error('README.md should show one npm command that serves, some of jobs, and one that tests.');
const good = (asked === 'test' || (await serves())) && (asked === 'serve' || (await tests()));
if (good) rmSync(box, { recursive: true, force: true });
else console.error(`Kept for a look: ${box}`);
process.exitCode = good ? 0 : 1;

/** The lines of the README's shell blocks that begin with npm. */
function npmCommands(readme) {
  const blocks = [...readme.matchAll(/^```(?:sh|bash|shell|console)\n(.*?)^```/gms)].map(([, block]) => block);
  const lines = blocks.flatMap((block) => block.split('\n').map((line) => line.replace(/^\$ /, '')));
  return lines.filter((line) => line.startsWith('npm '));
}

async function serves() {
  const server = start(serveCommand, 'serve.log');
  const ready = await waitFor(async () => {
    if (server.ended) throw new Error(`it ended with ${server.ended}`);
    return (await fetch('http://127.0.0.1:8080/ready')).ok;
  }, READY_MS);
  const answered = ready && (await answers());
  // What is stored comes a moment after the server is ready.
  const joined = ready && (await waitFor(joins, STORED_MS));
  const jobsRan = ready && (await ranAll(jobCommands));
  process.kill(-server.pid, 'SIGINT');
  const stopped = await waitFor(() => server.ended !== undefined, STOP_MS);
  if (!stopped) process.kill(-server.pid, 'SIGKILL');
  return say(`serve: ${serveCommand}`, { ready, answered, joined, jobsRan, stopped });
}

function answers() {
  return post('/predict', { text: 'my card has not arrived yet', model_id: 'banking-intents', top_k: 1 });
}

/** Whether a prediction finds the columns that are stored. */
function joins() {
  const terms = { amount: 1864, duration_months: 18, purpose: 'education', installment_rate: 4 };
  const others = { other_debtors: 'none', other_installment_plans: 'none' };
  return post('/v1/models/credit-risk/predict', { rows: [{ applicant_id: 'a-1001', ...terms, ...others }] });
}

/** Whether commands end well, one after the other. */
async function ranAll(commands) {
  for (const [at, command] of commands.entries()) {
    const log = `jobs-${at}.log`;
    const run = start(command, log);
    await waitFor(() => run.ended !== undefined, STORED_MS);
    console.log(`  ${readFileSync(join(box, log), 'utf8').trimEnd().split('\n').at(-1)}`);
    if (run.ended !== 'code 0') return false;
  }
  return true;
}

async function post(path, body) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`http://127.0.0.1:8080${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  console.log(`  POST ${path} ${response.status} ${(await response.text()).slice(0, 200)}`);
  return response.ok;
}

async function tests() {
  const run = start(testCommand, 'test.log');
  await waitFor(() => run.ended !== undefined, READY_MS * 2);
  const lines = readFileSync(join(box, 'test.log'), 'utf8').trimEnd().split('\n');
  console.log(`  ${lines.at(-1)}`);
  const good = run.ended === 'code 0' && /^\d+ passed, 0 failed/.test(lines.at(-1));
  if (!good) console.log(lines.slice(-40).join('\n'));
  return say(`test: ${testCommand}`, { passed: good });
}

/** Runs a line as a newcomer's shell would: nothing of our own environment but the way to the registry. */
function start(command, log) {
  const {
    npm_config_registry,
    npm_config_userconfig,
    SSL_CERT_FILE,
    NODE_EXTRA_CA_CERTS,
    LANG = 'C.UTF-8',
  } = process.env;
  const registry = { npm_config_registry, npm_config_userconfig, SSL_CERT_FILE, NODE_EXTRA_CA_CERTS };
  const path = process.env.PATH.split(delimiter).filter((folder) => !folder.includes('node_modules'));
  const out = openSync(join(box, log), 'w');
  const child = spawn('bash', ['-c', command], {
    cwd: project,
    env: { HOME: join(box, 'home'), PATH: path.join(delimiter), LANG, ...registry },
    stdio: ['ignore', out, out],
    detached: true,
  });
  const running = { pid: child.pid, ended: undefined };
  child.once('exit', (code, signal) => (running.ended = signal ?? `code ${code}`));
  return running;
}

async function waitFor(check, limitMs) {
  const giveUpAt = performance.now() + limitMs;
  while (performance.now() < giveUpAt) {
    try {
      if (await check()) return true;
    } catch (error) {
      if (!(error instanceof TypeError)) {
        console.error(`  ${error.message}`);
        return false;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  return false;
}

function say(what, outcome) {
  const good = Object.values(outcome).every(Boolean);
  console.log(`${good ? 'ok  ' : 'FAIL'}  ${what}  ${JSON.stringify(outcome)}`);
  return good;
}
