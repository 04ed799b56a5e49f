import { Reconciler, WebhookSender, type WebhookSenderParts, parseWebhookSecrets } from '@app/batch-jobs';
import { SystemClock } from '@app/core';
import { InMemoryBlobStore, eventually } from '@app/testing';
import { once } from 'node:events';
import { type IncomingHttpHeaders, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { signWebhook } from '../../libs/batch-jobs/src/webhooks/webhook-signature';
import { JobsBench } from './jobs-bench';

const KEYS = parseWebhookSecrets(`whsec_${Buffer.alloc(24, 1).toString('base64')}`);

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly url: string;
}

/** A client's receiver on the loopback. */
class Receiver implements AsyncDisposable {
  readonly received: Received[] = [];
  answer: (response: ServerResponse) => void = (response) => response.end('ok');
  private readonly server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += String(chunk)));
    request.on('end', () => {
      this.received.push({ headers: request.headers, body, url: request.url ?? '' });
      this.answer(response);
    });
  });

  async open(): Promise<this> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

let bench: JobsBench;
beforeAll(async () => {
  bench = await JobsBench.open();
});
afterAll(() => bench[Symbol.asyncDispose]());
afterEach(() => bench.db.query('delete from job'));

function sender(parts: Partial<WebhookSenderParts> = {}): WebhookSender {
  return new WebhookSender({
    ...{ deliveries: bench.store.webhooks, clock: new SystemClock(), keys: KEYS, allowedHosts: new Set() },
    ...{ chance: () => 0, log: () => {} },
    ...parts,
  });
}

async function ended(webhookUrl: string): Promise<string> {
  const { id } = await bench.queued([1], { webhookUrl });
  await bench.ran(id, 0);
  return id;
}

const row = async () => {
  const sql = `select tries, last_status, done_at is not null as is_done,
    extract(epoch from next_at - now())::float8 as wait_seconds from webhook_delivery`;
  const { rows } = await bench.db.query<{
    tries: number;
    last_status: number | null;
    is_done: boolean;
    wait_seconds: number;
  }>(sql);
  return rows[0];
};
const makeDue = () => bench.db.query('update webhook_delivery set next_at = now()');

describe(WebhookSender.name, () => {
  const local = {
    allowedHosts: new Set(['hook.example']),
    resolve: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]),
  };

  it('sends a signed message once, to the address that was checked', async () => {
    await using receiver = await new Receiver().open();
    const id = await ended(`http://hook.example:${receiver.port}/jobs`);
    expect(await sender(local).sendDue()).toBe(1);
    expect(await sender(local).sendDue()).toBe(0);
    const [{ headers, body, url }] = receiver.received as [Received];
    expect(receiver.received).toHaveLength(1);
    expect([url, headers.host]).toEqual(['/jobs', `hook.example:${receiver.port}`]);
    expect(JSON.parse(body)).toMatchObject({ type: 'job.succeeded', data: { id } });
    const message = { id: String(headers['webhook-id']), timestamp: Number(headers['webhook-timestamp']), body };
    expect(headers['webhook-signature']).toBe(signWebhook(message, KEYS));
    expect(await row()).toMatchObject({ tries: 1, last_status: 200, is_done: true });
  });

  it('connects to what was checked, whatever the name leads to a moment later', async () => {
    await using receiver = await new Receiver().open();
    await ended(`http://hook.example:${receiver.port}/`);
    const answers = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];
    const resolve = jest.fn(() => Promise.resolve([{ address: answers.shift() ?? '', family: 4 }]));
    await sender({ ...local, resolve }).sendDue();
    expect([receiver.received.length, resolve.mock.calls.length]).toEqual([1, 1]);
    expect(await row()).toMatchObject({ last_status: 200, is_done: true });
  });

  it.each(['10.0.0.7', '169.254.169.254', '192.168.1.1', '::1', '::ffff:127.0.0.1', 'fd00:ec2::254'])(
    'refuses a name that has come to lead to %s, and tries again by the schedule',
    async (address) => {
      const reasons: string[] = [];
      await ended('https://hook.elsewhere.example/');
      const resolve = () => Promise.resolve([{ address, family: address.includes(':') ? 6 : 4 }]);
      await sender({ resolve, log: ({ reason }) => reasons.push(reason) }).sendDue();
      expect(reasons).toEqual([expect.stringMatching(/not public|not a public one/)]);
      expect(await row()).toMatchObject({ tries: 1, last_status: null, is_done: false });
    },
  );

  it('is sent by a reconciler, again with the same id until it is taken', async () => {
    await using receiver = await new Receiver().open();
    receiver.answer = (response) => response.writeHead(500).end();
    await ended(`http://hook.example:${receiver.port}/`);
    const reconciler = new Reconciler({
      ...{ store: bench.store, blobs: new InMemoryBlobStore(), clock: new SystemClock(), webhooks: sender(local) },
      queue: { add: () => Promise.resolve(true), view: () => Promise.resolve({ held: [], missing: [], spent: [] }) },
      database: bench.here.database,
      options: { everyMs: 20, leaseMs: 600_000, orphanAgeMs: 600_000 },
      log: () => {},
    });
    reconciler.start();
    await eventually(async () => expect(await row()).toMatchObject({ tries: 1, last_status: 500 }));
    receiver.answer = (response) => response.end();
    await makeDue();
    await eventually(async () => expect(await row()).toMatchObject({ tries: 2, last_status: 200, is_done: true }));
    await reconciler.close();
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(receiver.received).toHaveLength(2);
  });

  it('sends the same again after a failure, until it is taken', async () => {
    await using receiver = await new Receiver().open();
    receiver.answer = (response) => response.writeHead(503).end();
    await ended(`http://hook.example:${receiver.port}/`);
    await sender(local).sendDue();
    expect(await row()).toMatchObject({ tries: 1, last_status: 503, is_done: false });
    await makeDue();
    receiver.answer = (response) => response.end();
    await sender(local).sendDue();
    const [first, second] = receiver.received as [Received, Received];
    expect([second.headers['webhook-id'], second.body]).toEqual([first.headers['webhook-id'], first.body]);
    expect(await row()).toMatchObject({ tries: 2, last_status: 200, is_done: true });
  });

  it('ends with 410, and with the last try', async () => {
    await using receiver = await new Receiver().open();
    receiver.answer = (response) => response.writeHead(410).end();
    await ended(`http://hook.example:${receiver.port}/`);
    await sender(local).sendDue();
    expect(await row()).toMatchObject({ last_status: 410, is_done: true });
    receiver.answer = (response) => response.writeHead(500).end();
    await bench.db.query('update webhook_delivery set done_at = null, tries = 9, next_at = now()');
    await sender(local).sendDue();
    expect(await row()).toMatchObject({ tries: 10, last_status: 500, is_done: true });
  });

  it('follows no redirect, and does not read an endless answer', async () => {
    await using receiver = await new Receiver().open();
    receiver.answer = (response) => {
      response.writeHead(302, { location: '/elsewhere' });
      response.on('error', () => {});
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(16_384)));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    };
    await ended(`http://hook.example:${receiver.port}/`);
    await sender(local).sendDue();
    expect(receiver.received.map(({ url }) => url)).toEqual(['/']);
    expect(await row()).toMatchObject({ last_status: 302, is_done: false });
  });

  it.each([
    ['a loopback address', (port: number) => `https://127.0.0.1:${port}/`],
    ['plain http', (port: number) => `http://other.example:${port}/`],
    ['a name that leads to the loopback', (port: number) => `https://other.example:${port}/`],
  ])('refuses %s, and connects to nobody', async (_, url) => {
    await using receiver = await new Receiver().open();
    const reasons: string[] = [];
    await ended(url(receiver.port));
    await sender({ ...local, log: ({ reason }) => reasons.push(reason) }).sendDue();
    expect(receiver.received).toEqual([]);
    expect(reasons).toEqual([expect.stringMatching(/not https|not public|not a public one/)]);
    expect(await row()).toMatchObject({ tries: 1, last_status: null, is_done: false });
  });
});
