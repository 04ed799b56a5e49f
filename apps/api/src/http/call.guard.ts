import { Clock } from '@app/core';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Call, type DoorRequest } from './call';
import { HttpPolicy } from './http-policy';

/** Makes the `Call` of every request that a route takes. It stands before all guards that need a deadline or an id. */
@Injectable()
export class CallGuard implements CanActivate {
  constructor(
    private readonly policy: HttpPolicy,
    private readonly clock: Clock,
  ) {}

  /** Throws invalid_request when the client's deadline cannot be read. */
  canActivate(context: ExecutionContext): boolean {
    const http = context.switchToHttp();
    const request = http.getRequest<DoorRequest>();
    request.call = new Call({ request, response: http.getResponse(), policy: this.policy, clock: this.clock });
    return true;
  }
}
