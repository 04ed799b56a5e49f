import { QuaysideError } from '@app/core';
import { Injectable } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { HttpPolicy, isLoopback } from './http-policy';

const FORWARDING_HEADERS = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'];

/**
 * On loopback every route is open, as only programs of this host can connect. Two ways around that are closed here: a
 * web page whose name resolves to 127.0.0.1 (its `Host` is not a loopback name), and a proxy on this host that passes
 * on strangers' requests (it says so in a forwarding header). Bind another address, or trust the proxy, to allow them.
 */
@Injectable()
export class LoopbackRule {
  constructor(private readonly policy: HttpPolicy) {}

  /** An Express middleware. Throws invalid_request. */
  readonly handle = ({ headers }: Request, _response: Response, next: NextFunction): void => {
    if (!this.policy.loopbackOnly) return next();
    if (!isLoopback(hostName(headers.host ?? ''))) {
      throw refusal(
        'Host',
        'This server listens on loopback and answers only to localhost. Set HTTP_HOST to serve other names.',
      );
    }
    if (this.policy.trustedProxyHops === 0 && FORWARDING_HEADERS.some((name) => headers[name] !== undefined)) {
      throw refusal(
        'Forwarded',
        'This server listens on loopback and takes no forwarded requests. Set HTTP_TRUSTED_PROXY_HOPS.',
      );
    }
    next();
  };
}

function hostName(host: string): string {
  return host.toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '');
}

function refusal(field: string, message: string): QuaysideError {
  return new QuaysideError('invalid_request', message, { details: [{ field, code: 'not_loopback', message }] });
}
