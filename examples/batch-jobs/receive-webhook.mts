/**
 * Receives the message that a job has ended, and believes it only when it is signed, fresh and new.
 *
 *   JOB_WEBHOOK_SECRET=whsec_… PORT=9000 npx node examples/batch-jobs/receive-webhook.mts
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { type IncomingHttpHeaders, type ServerResponse, createServer } from 'node:http';
import { text } from 'node:stream/consumers';

const key = Buffer.from((process.env['JOB_WEBHOOK_SECRET'] ?? '').replace(/^whsec_/, ''), 'base64');
if (key.length < 24)
  throw new Error('JOB_WEBHOOK_SECRET must be the secret of the server, whsec_ and at least 24 bytes.');

const TOLERANCE_SECONDS = 5 * 60;
/** Ids that were taken. They have to outlive the last retry, three days after the first try: keep yours in a database. */
const seen = new Set<string>();

/** Whether a message comes from whoever knows the secret, and is not an old one sent again. */
function isGenuine(headers: IncomingHttpHeaders, body: string): boolean {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers;
  if (typeof signatures !== 'string' || !(Math.abs(Date.now() / 1000 - Number(timestamp)) <= TOLERANCE_SECONDS))
    return false;
  const expected = createHmac('sha256', key)
    .update(`${String(id)}.${String(timestamp)}.${body}`)
    .digest();
  // While a secret is being replaced there are two signatures.
  return signatures.split(' ').some((signature) => {
    const given = Buffer.from(signature.replace(/^v1,/, ''), 'base64');
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
}

function receive(headers: IncomingHttpHeaders, body: string, response: ServerResponse): void {
  const id = String(headers['webhook-id']);
  if (!isGenuine(headers, body)) return void response.writeHead(401).end();
  // Any 2xx says that it was taken. What takes long belongs behind the answer.
  response.writeHead(204).end();
  if (seen.has(id)) return;
  seen.add(id);
  const { type, data } = JSON.parse(body) as { type: string; data: { id: string; links: { results: string } } };
  console.log(`${type}: ${data.id}, results at ${data.links.results}`);
}

const server = createServer((request, response) => {
  text(request).then(
    (body) => receive(request.headers, body, response),
    () => response.destroy(),
  );
});
server.listen(Number(process.env['PORT'] ?? 9000), '127.0.0.1', () => {
  const address = server.address();
  console.log(`listening on ${typeof address === 'object' ? address?.port : address}`);
});
