import { Clock, parseJsonBody } from '@app/core';
import { type CanActivate, type ExecutionContext, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Response } from 'express';
import { hasBody, readJsonBytes } from './body';
import { type DoorRequest, callOf } from './call';
import { type BodyClass, HttpPolicy } from './http-policy';

const BODY_CLASS = 'quayside:body-class';
const METHODS_WITH_BODY = new Set(['POST', 'PUT', 'PATCH']);

/** Gives a route the larger body limit. */
export const TakesLargeBody = (): MethodDecorator => SetMetadata(BODY_CLASS, 'inference' satisfies BodyClass);

/**
 * Reads and parses the body once a route has been found and whatever guards stand before it have agreed, so that nobody
 * can make the server read what it refuses anyway. Validators see the result as `@Body()`.
 */
@Injectable()
export class BodyGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly policy: HttpPolicy,
    private readonly clock: Clock,
  ) {}

  /**
   * Throws what `readJsonBytes` throws, and invalid_utf8, invalid_json, json_too_deep, json_too_many_keys, forbidden_key.
   */
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const request = context.switchToHttp().getRequest<DoorRequest>();
    if (METHODS_WITH_BODY.has(request.method)) return this.read(request, context);
    if (hasBody(request)) leaveUnread(context.switchToHttp().getResponse<Response>());
    return true;
  }

  private async read(request: DoorRequest, context: ExecutionContext): Promise<boolean> {
    const bodyClass = this.reflector.get<BodyClass | undefined>(BODY_CLASS, context.getHandler()) ?? 'small';
    const limits = { limitBytes: this.policy.bodyLimitBytes[bodyClass], timeoutMs: this.policy.bodyTimeoutMs };
    const bytes = await readJsonBytes(request, limits, this.clock);
    callOf(request).bodyRead(bytes.byteLength);
    request.body = parseJsonBody(bytes);
    return true;
  }
}

/** A body that nobody reads would be taken for the next request. */
function leaveUnread(response: Response): void {
  response.setHeader('Connection', 'close');
}
