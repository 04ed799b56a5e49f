import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '@app/core';
import { hasBody } from './body';
import { type RenderedError, beginRendered } from './render-error';

/** How long the rest of a refused body is read and thrown away, so that the client gets to see the answer. */
const LINGER_MS = 1000;

/** Whether bytes of the request's body may still be on their way. */
export function isUnread(request: IncomingMessage): boolean {
  return hasBody(request) && !request.complete && !request.destroyed;
}

/**
 * Sends an answer to a request whose body was refused, then closes. Closing at once would reset the connection, and a
 * client that is still writing would see an error instead of the answer; so the rest is read, and dropped, for a moment.
 */
export function sendAndLinger(
  request: IncomingMessage,
  response: ServerResponse,
  rendered: RenderedError,
  clock: Clock,
): void {
  response.setHeader('Connection', 'close');
  response.write(beginRendered(response, rendered));
  const end = (): void => {
    timer.cancel();
    request.off('end', end).off('close', end);
    response.end();
  };
  const timer = clock.setTimer(LINGER_MS, end);
  request.on('end', end).on('close', end).resume();
}
