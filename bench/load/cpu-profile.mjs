/** Where a file of a profile belongs, the first that matches. What has no file is the engine's own. */
const AREAS = [
  [/libs\/inference\/src\/(\w+)\//, (match) => `inference/${match[1]}`],
  [/libs\/([\w-]+)\/src/, (match) => match[1]],
  [/apps\/api\/src\/(\w+)\//, (match) => `api/${match[1]}`],
  [/node_modules\/(@nestjs\/[\w-]+)\//, () => 'Nest'],
  [/node_modules\/(rxjs)\//, () => 'Nest'],
  [
    /node_modules\/(express|router|body-parser|finalhandler|send|etag|fresh|qs|accepts|type-is|vary)\//,
    () => 'Express',
  ],
  [/node_modules\/(pino[\w-]*|nestjs-pino|sonic-boom|safe-stable-stringify)\//, () => 'pino (log)'],
  [/node_modules\/((?:@[\w-]+\/)?[\w.-]+)\//, (match) => match[1]],
  [/^node:.*(http|net|stream|socket)/, () => 'node:http, net and streams'],
  [/^node:.*(async|promise|task_queues)/, () => 'promises and async context of Node'],
  [/^node:.*(crypto|random)/, () => 'node:crypto'],
  [/^node:.*(timer)/, () => 'node:timers'],
  [/^node:.*(buffer|encoding|string)/, () => 'buffers and texts of Node'],
  [/^node:.*(abort|event)/, () => 'events and abort signals of Node'],
  [/^node:/, () => 'other of Node'],
];
const ENGINE = {
  '(garbage collector)': 'garbage collection',
  '(program)': 'native code, system calls',
  '(idle)': 'idle',
  '(root)': 'idle',
};

/** Self time of a CPU profile by area of the code, in microseconds, the most first. */
export function selfTimeByArea(profile) {
  return selfTime(profile, areaOf);
}

/** Self time of a CPU profile by function, in microseconds, the most first. */
export function selfTimeByFunction(profile) {
  return selfTime(profile, placeOf);
}

/** `timeDeltas` are times that passed: on a busy machine they hold what other processes took. */
function selfTime({ nodes, samples, timeDeltas }, nameOf) {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const totals = new Map();
  samples.forEach((id, index) => {
    const name = names.get(id);
    totals.set(name, (totals.get(name) ?? 0) + timeDeltas[index]);
  });
  totals.delete('idle');
  return [...totals].sort(([, a], [, b]) => b - a);
}

/** A function with the last two parts of its file's path. */
function placeOf({ url, functionName, lineNumber }) {
  if (url === '') return ENGINE[functionName] ?? `${functionName || 'anonymous'} (native)`;
  const file = url.split('/').slice(-2).join('/');
  return `${functionName || 'anonymous'} (${file}:${lineNumber + 1})`;
}

function areaOf({ url, functionName }) {
  for (const [pattern, name] of AREAS) {
    const match = pattern.exec(url);
    if (match) return name(match);
  }
  return ENGINE[functionName] ?? 'native code, system calls';
}
