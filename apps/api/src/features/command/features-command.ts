import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigError, parseConfig } from '@app/config';
import { isQuaysideError, newId } from '@app/core';
import { EmbeddedPostgresFault } from '@app/database';
import { CsvFault, type CsvProgress, pushCsv } from '@app/feature-store';
import { StartFault } from '../../../../common/src/start-fault';
import { FeatureTools } from './feature-tools';
import { renderPlan } from './render-plan';

/** Where a command stands. */
export interface CommandSurroundings {
  /** The folder that file names are relative to. */
  readonly cwd: string;
  /** Takes a line of what was asked for. */
  out(line: string): void;
  /** Takes a line about progress, or what is wrong. */
  tell(line: string): void;
}

const USAGE = `npm run features -- plan                      what apply would do, and which models it touches
npm run features -- apply                     record the versions that FEATURE_DIR declares
npm run features -- push <view> <file.csv>    write the rows of a file
    --event-ts 2026-01-31T00:00:00Z           the moment of every row, where the file has no column event_timestamp
    --again                                   write rows that were pushed before, as after an erasure

It uses the settings of the server: FEATURE_DIR, MODEL_DIR, DATA_DIR and DATABASE_URL. The server may run or not.`;

const FLAGS = {
  'event-ts': { type: 'string' },
  again: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

/** A command line that means nothing. */
class UsageFault extends Error {}

/** `npm run features`. Gives the exit code: 0 done, 1 refused or not all of it done, 2 not understood. */
export async function runFeaturesCommand(args: readonly string[], around: CommandSurroundings): Promise<number> {
  try {
    return await run(args, around);
  } catch (fault) {
    if (fault instanceof UsageFault) around.tell(`${fault.message}\n\n${USAGE}`);
    else if (isOperators(fault)) around.tell(fault.message);
    else throw fault;
    return fault instanceof UsageFault ? 2 : 1;
  }
}

async function run(args: readonly string[], around: CommandSurroundings): Promise<number> {
  const { values, positionals } = parsed(args);
  const [command, ...operands] = positionals;
  if (values.help) {
    around.out(USAGE);
    return 0;
  }
  const isPush = command === 'push';
  if (!isPush && command !== 'plan' && command !== 'apply') throw new UsageFault('Say plan, apply or push.');
  if (operands.length !== (isPush ? 2 : 0))
    throw new UsageFault(`${command} takes ${isPush ? 'a view and a file' : 'nothing else'}.`);
  await using tools = await FeatureTools.open(parseConfig());
  if (!isPush) return await planOrApply(command, tools, around);
  const [view = '', file = ''] = operands;
  return await push({ tools, around, view, file, eventTs: values['event-ts'], again: values.again });
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: FLAGS, allowPositionals: true });
  } catch (fault) {
    throw new UsageFault((fault as Error).message);
  }
}

async function planOrApply(
  command: 'plan' | 'apply',
  tools: FeatureTools,
  around: CommandSurroundings,
): Promise<number> {
  const plan = await (command === 'plan' ? tools.store.plan() : tools.store.apply());
  for (const line of renderPlan(plan, await tools.pins())) around.out(line);
  if (command === 'apply' && !plan.isRefused) around.out('Applied.');
  return plan.isRefused ? 1 : 0;
}

interface Push {
  readonly tools: FeatureTools;
  readonly around: CommandSurroundings;
  readonly view: string;
  readonly file: string;
  readonly eventTs: string | undefined;
  readonly again: boolean;
}

async function push({ tools, around, view, file, eventTs, again }: Push): Promise<number> {
  const total = await pushCsv(resolve(around.cwd, file), {
    view,
    views: tools.views,
    store: tools.store,
    ...(eventTs !== undefined && { eventTs }),
    ...(again && { salt: newId() }),
    rejected: (line, says) => around.tell(`line ${line}: ${says}`),
    progress: (so) => around.tell(`${view}: ${sentence(so)}`),
  });
  around.out(`${view}: ${sentence(total)}`);
  return total.rejected === 0 ? 0 : 1;
}

function sentence({ rows, written, skippedOlder, known, rejected }: CsvProgress): string {
  const again = known === 0 ? '' : `, ${known} pushed before (--again writes them anew)`;
  return `${rows} rows, ${written} written, ${skippedOlder} older than what is stored${again}, ${rejected} rejected`;
}

/** What the one who typed the command can put right. */
function isOperators(fault: unknown): fault is Error {
  const kinds = [ConfigError, StartFault, EmbeddedPostgresFault, CsvFault];
  return kinds.some((kind) => fault instanceof kind) || isQuaysideError(fault);
}
