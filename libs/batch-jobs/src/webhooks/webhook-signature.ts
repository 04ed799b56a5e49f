import { createHmac } from 'node:crypto';

/** What is signed: the headers `webhook-id` and `webhook-timestamp`, and the body. */
export interface SignedMessage {
  readonly id: string;
  /** Seconds since the epoch. */
  readonly timestamp: number;
  readonly body: string;
}

const PREFIX = 'whsec_';
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
/** The bounds of Standard Webhooks, "Signature scheme". */
const [FEWEST_BYTES, MOST_BYTES] = [24, 64];

/**
 * The keys of one secret or two, comma-separated: the second is for receivers that still check with the older one. Throws a
 * sentence, without the secret, for anything else than `whsec_` and 24 to 64 bytes in base64.
 */
export function parseWebhookSecrets(text: string): readonly Buffer[] {
  const secrets = text.split(',').map((secret) => secret.trim());
  if (secrets.length > 2) throw new Error('There are more than two webhook secrets.');
  return secrets.map(keyOf);
}

function keyOf(secret: string): Buffer {
  const encoded = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : '';
  const key = BASE64.test(encoded) ? Buffer.from(encoded, 'base64') : Buffer.alloc(0);
  if (key.length < FEWEST_BYTES || key.length > MOST_BYTES)
    throw new Error(`A webhook secret is ${PREFIX} and ${FEWEST_BYTES} to ${MOST_BYTES} bytes in base64.`);
  return key;
}

/** The header `webhook-signature`: one signature for each key, as Standard Webhooks has it. */
export function signWebhook({ id, timestamp, body }: SignedMessage, keys: readonly Buffer[]): string {
  const signed = `${id}.${timestamp}.${body}`;
  return keys.map((key) => `v1,${createHmac('sha256', key).update(signed).digest('base64')}`).join(' ');
}
