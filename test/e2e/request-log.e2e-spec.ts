import { eventually, temporaryDirectory, tiny, writeModel } from '@app/testing';
import { type Answer, ApiClient, type ErrorAnswer } from './door';
import { RawConnection } from './raw-http';
import { type LogLine, ServerProcess } from './server-process';

/** Stands in an input, and in what the engine says of it. */
const VALUE = 987_654_321;

describe('the log of a server', () => {
  let models: string;

  beforeAll(async () => {
    models = await temporaryDirectory();
    await writeModel(models, { name: 'sentiment', model: tiny.classifierTiny() });
    await writeModel(models, { name: 'failing', model: tiny.failsOnInput(), manifest: 'task: tensors' });
  });

  const idOf = ({ headers }: Answer): string => String(headers.get('x-request-id'));

  /** The lines of these answers, once all of them are there. */
  function linesOf(server: ServerProcess, answers: readonly Answer[]): Promise<readonly LogLine[]> {
    const ids = new Set<unknown>(answers.map(idOf));
    return eventually(() => {
      const lines = server.lines.filter((line) => line['event'] === 'request_completed' && ids.has(line['request_id']));
      return lines.length >= answers.length && lines;
    });
  }

  async function raw(url: string, text: string): Promise<Answer> {
    await using connection = await RawConnection.to(url);
    connection.write(text);
    return await connection.answer();
  }

  it('has exactly one line for each answer, under its id, with its status and its code', async () => {
    await using server = await ServerProcess.start({ MODEL_DIR: models, EXECUTOR_COUNT: '1' });
    const client = new ApiClient(await server.ready());
    const good = { text: 'a good day', model_id: 'sentiment' };
    const answers = [
      await client.post('/predict', good),
      await client.post('/predict', good, { 'X-Request-ID': 'mine' }),
      await client.post('/predict', { ...good, topk: 1 }),
      await client.post('/predict', new Uint8Array(2_000_000)),
      await client.post('/predict', '{}', { 'Content-Encoding': 'gzip' }),
      await client.post('/v1/models/failing/predict', { inputs: { index: [VALUE] } }),
      await client.send('/nowhere?secret=1'),
      await client.send('/predict'),
      await client.send('/v1/models/nobody'),
      await raw(client.url, 'GARBAGE\r\n\r\n'),
      await raw(client.url, 'GET / HTTP/1.1\r\nHost: localhost\r\nExpect: a miracle\r\n\r\n'),
      await raw(client.url, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`),
    ];
    const seen = (await linesOf(server, answers)).map((line) => [
      line['request_id'],
      line['status'],
      line['error_code'],
    ]);
    const given = answers.map((answer) => [idOf(answer), answer.status, codeOf(answer)]);
    expect(new Set(given.map(([, , code]) => code)).size).toBe(11);
    expect(seen.sort()).toEqual(given.sort());
  });

  it('tells of a prediction which version ran, what it waited and what it took', async () => {
    await using server = await ServerProcess.start({ MODEL_DIR: models, EXECUTOR_COUNT: '1' });
    const client = new ApiClient(await server.ready());
    const answer = await client.post('/predict', { text: 'a good day', model_id: 'sentiment' });
    const [, queue, compute] = /queue;dur=([\d.]+), compute;dur=([\d.]+)/.exec(
      answer.headers.get('server-timing') ?? '',
    ) ?? ['', '', ''];
    expect(await linesOf(server, [answer])).toEqual([
      expect.objectContaining({
        level: 'info',
        method: 'POST',
        path: '/predict',
        route: '/predict',
        model: 'sentiment',
        model_version: '1',
        cache: 'off',
        batch_size: 1,
        queue_ms: Number(queue),
        compute_ms: Number(compute),
        trace_id: answer.headers.get('x-trace-id'),
      }),
    ]);
  });

  it('keeps the words of the engine, which may hold values of an input, to its debug level', async () => {
    for (const level of ['info', 'debug']) {
      await using server = await ServerProcess.start({ MODEL_DIR: models, EXECUTOR_COUNT: '1', LOG_LEVEL: level });
      const client = new ApiClient(await server.ready());
      const answer = await client.post('/v1/models/failing/predict', { inputs: { index: [VALUE] } });
      expect(answer.text).not.toContain(String(VALUE));
      await linesOf(server, [answer]);
      if (level === 'debug') await server.logged('executor');
      else expect(JSON.stringify(server.lines)).not.toContain(String(VALUE));
    }
  });
});

function codeOf({ body }: Answer): string | null {
  return (body as { readonly error?: ErrorAnswer }).error?.code ?? null;
}
