import type { Clock } from '@app/core';
import { type ClientRequest, type IncomingMessage, request as overHttp } from 'node:http';
import { request as overHttps } from 'node:https';
import type { LookupFunction } from 'node:net';
import type { CheckedAddress } from './address-guard';

/** One POST to a receiver. */
export interface WebhookPost {
  readonly url: URL;
  /** Where to connect to: no name is looked up. */
  readonly addresses: readonly CheckedAddress[];
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const TIMEOUT_MS = 15_000;
const MOST_BYTES = 65_536;

/**
 * Sends it and gives the status. A redirect is an answer as any other. Of the answer 64 kB are read at most. Throws what the
 * network says, and after 15 s that it took too long.
 */
export async function postWebhook({ url, addresses, headers, body }: WebhookPost, clock: Clock): Promise<number> {
  const controller = new AbortController();
  const timer = clock.setTimer(TIMEOUT_MS, () => controller.abort(new Error(`No answer within ${TIMEOUT_MS} ms.`)));
  const send = url.protocol === 'https:' ? overHttps : overHttp;
  const length = String(Buffer.byteLength(body));
  const request = send(url, {
    ...{ method: 'POST', agent: false, lookup: lookupIn(addresses), signal: controller.signal },
    headers: { ...headers, 'content-length': length },
  });
  try {
    return await statusOf(request, body);
  } finally {
    timer.cancel();
    request.destroy();
  }
}

function lookupIn(addresses: readonly CheckedAddress[]): LookupFunction {
  return (_hostname, options, callback) => {
    const [first] = addresses;
    if (options.all) callback(null, [...addresses]);
    else callback(null, first?.address ?? '', first?.family);
  };
}

function statusOf(request: ClientRequest, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.on('response', (response) => {
      readSome(response).then(() => resolve(response.statusCode ?? 0), reject);
    });
    request.end(body);
  });
}

/** Lets the receiver finish its answer, unless that is long. */
async function readSome(response: IncomingMessage): Promise<void> {
  let bytes = 0;
  for await (const chunk of response) {
    bytes += (chunk as Buffer).length;
    if (bytes >= MOST_BYTES) return;
  }
}
