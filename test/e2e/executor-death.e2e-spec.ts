import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { eventually } from '@app/testing';
import { DEFAULT_MODELS } from './door';
import { ServerProcess } from './server-process';

const CLIENTS = 8;
/** One fewer than what makes a version unavailable for a while. */
const KILLS = 2;

/** Pids of the executors of a server: its children with `executor` in their command line. */
function executorsOf(server: ServerProcess): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ')[1] === String(server.pid))
    .filter((pid) => read(`/proc/${pid}/cmdline`).includes('executor'));
}

/** A file of `/proc`; empty when the process is gone. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

(process.platform === 'linux' ? describe : describe.skip)('executors that are killed under load', () => {
  it('costs no answer: what ran is run again, and the next call is served', async () => {
    await using server = await ServerProcess.start({ MODEL_DIR: DEFAULT_MODELS, EXECUTOR_COUNT: '2' });
    const address = await server.ready();
    const predict = (text: string): Promise<Response> =>
      fetch(`${address}/predict`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ text, model_id: 'banking-intents', top_k: 1 }),
      });
    const outcomes: string[] = [];
    let killing = true;
    const clients = Array.from({ length: CLIENTS }, async (_, client) => {
      for (let call = 0; killing; call++) {
        const response = await predict(`my card ${client} has not arrived, ${call}`);
        const body = (await response.json()) as { error?: { code: string } };
        outcomes.push(response.status === 200 ? '200' : `${response.status} ${body.error?.code}`);
      }
    });
    for (let kill = 1; kill <= KILLS; kill++) {
      const [victim] = await eventually(() => executorsOf(server).length === 3 && executorsOf(server));
      execFileSync('kill', ['-9', String(victim)]);
      await eventually(() => !executorsOf(server).includes(victim));
      await eventually(() => server.lines.filter(({ event }) => event === 'executor_crashed').length >= kill);
      const answered = outcomes.length;
      await eventually(() => outcomes.length > answered + CLIENTS);
    }
    killing = false;
    await Promise.all(clients);
    expect(new Set(outcomes.filter((outcome) => outcome !== '200' && outcome !== '503 executor_crashed'))).toEqual(
      new Set(),
    );
    expect(outcomes).toContain('200');
    expect((await predict('is the next call served?')).status).toBe(200);
  });
});
