import { parseArgs } from 'node:util';
import { list, remove, results, runAgain, show, stop, submit } from './actions.mjs';
import { JobsApi, Refusal, Silence } from './api.mjs';
import { Progress } from './follow.mjs';
import { Patience } from './patience.mjs';
import { USAGE, UsageFault } from './usage.mjs';

const text = { type: 'string' };
const texts = { type: 'string', multiple: true, default: [] };
const flag = { type: 'boolean', default: false };
const EVERYWHERE = { url: text, json: flag, help: flag };
const AN_ID = 'the id of a job';

/** By command: what it does, what it is about, and which flags it takes besides. */
const COMMANDS = {
  submit: {
    action: submit,
    operand: 'a file',
    flags: {
      ...{ model: text, format: text, 'id-field': text, option: texts, priority: text, metadata: texts },
      ...{ 'webhook-url': text, deadline: text, 'on-invalid': text, 'max-error-rate': text },
      ...{ 'idempotency-key': text, wait: flag, output: text },
    },
  },
  list: { action: list, flags: { status: text, model: text, limit: text, after: text } },
  show: { action: show, operand: AN_ID, flags: { wait: flag } },
  results: { action: results, operand: AN_ID, flags: { output: text, only: text, after: text, wait: flag } },
  cancel: { action: stop, operand: AN_ID, flags: { wait: flag } },
  retry: { action: runAgain, operand: AN_ID, flags: { wait: flag } },
  delete: { action: remove, operand: AN_ID, flags: {} },
};

/** `npm run jobs`. Gives the exit code; `USAGE` says which there are. */
export async function runJobsCommand(args, around) {
  const progress = new Progress(around.stderr);
  try {
    return await run(args, { ...around, progress });
  } catch (fault) {
    if (around.signal.aborted) return 130;
    for (const line of sentences(fault)) progress.tell(line);
    return fault instanceof UsageFault ? 2 : 1;
  } finally {
    progress.close();
  }
}

async function run([name = '', ...args], around) {
  if (name === 'help' || name === '--help') return print(around);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new UsageFault(`Say one of ${Object.keys(COMMANDS).join(', ')}.`);
  const { values: flags, positionals } = parsed(args, { ...EVERYWHERE, ...command.flags });
  if (flags.help) return print(around);
  if (positionals.length !== (command.operand ? 1 : 0))
    throw new UsageFault(`${name} takes ${command.operand ?? 'no operand'}.`);
  const { progress, signal } = around;
  const patience = new Patience({ tell: (line) => progress.tell(line), signal });
  const api = new JobsApi(checkedUrl(flags.url ?? around.defaultUrl));
  return command.action({ ...around, api, patience, flags, operand: positionals[0] });
}

function print({ stdout }) {
  stdout.write(`${USAGE}\n`);
  return 0;
}

function parsed(args, options) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (fault) {
    throw new UsageFault(fault.message, { cause: fault });
  }
}

function checkedUrl(url) {
  if (URL.canParse(url) && /^https?:/.test(url)) return url;
  throw new UsageFault(`${url} is not the URL of a server, such as http://127.0.0.1:8080.`);
}

/** What the one who typed the command can put right. Anything else is a defect, and thrown on. */
function sentences(fault) {
  if (fault instanceof UsageFault) return [fault.message, '', USAGE];
  if (fault instanceof Refusal) return [fault.message, ...fault.particulars];
  if (fault instanceof Silence) return [`${fault.message} Say with --url or QUAYSIDE_URL where the server is.`];
  if (fault.syscall !== undefined) return [fault.message];
  throw fault;
}
