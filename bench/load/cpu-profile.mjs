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
  [/^node:.*(http|net|stream|timers)/, () => 'node:http, net and streams'],
  [/^node:/, () => 'other of Node'],
];
const ENGINE = {
  '(garbage collector)': 'garbage collection',
  '(program)': 'native code, system calls',
  '(idle)': 'idle',
  '(root)': 'idle',
};

/** Self time of a CPU profile by area, in microseconds, the most first. */
export function selfTimeByArea({ nodes, samples, timeDeltas }) {
  const areas = new Map(nodes.map(({ id, callFrame }) => [id, areaOf(callFrame)]));
  const totals = new Map();
  samples.forEach((id, index) => {
    const area = areas.get(id);
    totals.set(area, (totals.get(area) ?? 0) + timeDeltas[index]);
  });
  totals.delete('idle');
  return [...totals].sort(([, a], [, b]) => b - a);
}

function areaOf({ url, functionName }) {
  for (const [pattern, name] of AREAS) {
    const match = pattern.exec(url);
    if (match) return name(match);
  }
  return ENGINE[functionName] ?? 'native code, system calls';
}
