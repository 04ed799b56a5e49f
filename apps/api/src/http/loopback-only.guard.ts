import { QuaysideError } from '@app/core';
import { type CanActivate, Injectable } from '@nestjs/common';
import { HttpPolicy } from './http-policy';

/** Lets a route be used only while the server listens on loopback, where none but programs of its host can call. */
@Injectable()
export class LoopbackOnlyGuard implements CanActivate {
  constructor(private readonly policy: HttpPolicy) {}

  /** Throws invalid_request with the detail not_loopback. */
  canActivate(): boolean {
    if (this.policy.loopbackOnly) return true;
    const message = 'This route can be used only while the server listens on loopback (HTTP_HOST).';
    throw new QuaysideError('invalid_request', message, {
      details: [{ field: 'HTTP_HOST', code: 'not_loopback', message }],
    });
  }
}
