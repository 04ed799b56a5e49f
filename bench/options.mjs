import { parseArgs } from 'node:util';

const FLAGS = {
  quick: { type: 'boolean', default: false },
  seconds: { type: 'string' },
  rounds: { type: 'string' },
  'warm-up': { type: 'string' },
  connections: { type: 'string', default: '100' },
  sides: { type: 'string' },
  rows: { type: 'string' },
  processes: { type: 'string' },
  'peer-workers': { type: 'string', default: '4' },
  'peer-threads': { type: 'string', default: '1' },
  help: { type: 'boolean', default: false },
};

export const HELP = `npm run bench -- [profile ...] [flags]

  --seconds 10        how long a round lasts
  --rounds 3          rounds of each side, in turn with the others
  --warm-up 15        seconds of load before the first round of each side
  --connections 100   of the closed loop; several between commas
  --sides a,b         only these; "quayside-1" is Quayside with one serving process, whatever --processes says
  --rows 1000,10000   of the jobs of "batch" and "batch-memory", instead of all sizes
  --processes 2       HTTP_PROCESSES of Quayside, and processes of the bare node:http
  --peer-workers 4    gunicorn's workers
  --peer-threads 1    threads for inference in each FastAPI worker
  --quick             short rounds: shows that all of it works, and proves nothing`;

/** What the command line asks for. Throws on an unknown flag, or a number that is none. */
export function readOptions(args) {
  const { values, positionals } = parseArgs({ args, options: FLAGS, allowPositionals: true });
  const number = (name, usual, quick) => positive(name, values[name] ?? (values.quick ? quick : usual));
  return {
    help: values.help,
    quick: values.quick,
    profiles: positionals,
    seconds: number('seconds', 10, 2),
    rounds: number('rounds', 3, 1),
    warmUp: number('warm-up', 15, 2),
    connections: values.connections.split(',').map((each) => positive('connections', each)),
    sides: values.sides?.split(','),
    rows: values.rows?.split(',').map((each) => positive('rows', each)),
    processes: values.processes && positive('processes', values.processes),
    peerWorkers: number('peer-workers'),
    peerThreads: number('peer-threads'),
  };
}

function positive(name, value) {
  const number = Number(value);
  if (Number.isInteger(number) && number > 0) return number;
  throw new Error(`--${name} must be a whole number from 1 on.`);
}
