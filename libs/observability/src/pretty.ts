import { prettyFactory } from 'pino-pretty';

const COMMON_FIELDS: ReadonlySet<string> = new Set([
  'level',
  'time',
  'version',
  'proc',
  'pid',
  'event',
  'err',
  'context',
]);

type Line = Readonly<Record<string, unknown>>;

/** Makes a log line readable: time, level and a sentence, with colours. For terminals only. */
export function prettyPrinter(): (line: string) => string {
  return prettyFactory({
    colorize: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname,version,proc,context',
    hideObject: true,
    messageFormat: (line: Line) =>
      line['event'] === 'request_completed' ? requestSentence(line) : eventSentence(line),
  });
}

function requestSentence(line: Line): string {
  const { method, path, status, duration_ms: durationMs, model, model_version: version, error_code: code } = line;
  const parts = [method ?? '?', path ?? '(not HTTP)', status, `${String(durationMs)} ms`];
  if (model) parts.push(`${String(model)}@${String(version)}`);
  if (code) parts.push(code);
  return [...parts, line['request_id']].map(String).join(' ');
}

function eventSentence(line: Line): string {
  const sentence = line['msg'] ?? line['message'];
  if (sentence !== undefined) return String(sentence);
  const fields = Object.entries(line).filter(([name, value]) => !COMMON_FIELDS.has(name) && value !== null);
  const rest = fields.map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return [line['event'] ?? '', ...rest].join(' ');
}
