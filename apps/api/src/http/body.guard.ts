import { Clock, parseJsonBody } from '@app/core';
import { type CanActivate, type ExecutionContext, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Response } from 'express';
import { hasBody, readJsonBytes } from './body';
import { type DoorRequest, callOf } from './call';
import { type BodyClass, HttpPolicy } from './http-policy';

const BODY_CLASS = 'quayside:body-class';
const STREAMED_WITH = 'quayside:streamed-with';
const NO_BODY = 'quayside:no-body';
const METHODS_WITH_BODY = new Set(['POST', 'PUT', 'PATCH']);

/** Gives a route a larger body limit: that of inference unless another is named. */
export const TakesLargeBody = (bodyClass: BodyClass = 'inference'): MethodDecorator =>
  SetMetadata(BODY_CLASS, bodyClass);

/** For a POST that says all in its path: a body is neither asked for nor read. */
export const TakesNoBody = (): MethodDecorator => SetMetadata(NO_BODY, true);

/** Where the query has this parameter, the body is left to the controller, which reads it as it comes (`uploadedBytes`). */
export const StreamsBodyWith = (parameter: string): MethodDecorator => SetMetadata(STREAMED_WITH, parameter);

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
    if (this.takesBody(request, context)) return this.isStreamed(request, context) || this.read(request, context);
    if (hasBody(request)) leaveUnread(context.switchToHttp().getResponse<Response>());
    return true;
  }

  private takesBody({ method }: DoorRequest, context: ExecutionContext): boolean {
    return METHODS_WITH_BODY.has(method) && !this.reflector.get<boolean | undefined>(NO_BODY, context.getHandler());
  }

  private isStreamed({ query }: DoorRequest, context: ExecutionContext): boolean {
    const parameter = this.reflector.get<string | undefined>(STREAMED_WITH, context.getHandler());
    return parameter !== undefined && Object.hasOwn(query, parameter);
  }

  private async read(request: DoorRequest, context: ExecutionContext): Promise<boolean> {
    const bodyClass = this.reflector.get<BodyClass | undefined>(BODY_CLASS, context.getHandler()) ?? 'small';
    const limits = { limitBytes: this.policy.bodyLimitBytes[bodyClass], timeoutMs: this.policy.bodyTimeoutMs };
    const bytes = await readJsonBytes(request, limits, this.clock);
    callOf(request).bodyRead(bytes.byteLength);
    request.body = parseJsonBody(bytes);
    // Of a job it is hashed, to tell whether a repeat is the same.
    if (bodyClass === 'job') request.bodyBytes = bytes;
    return true;
  }
}

/** A body that nobody reads would be taken for the next request. */
function leaveUnread(response: Response): void {
  response.setHeader('Connection', 'close');
}
