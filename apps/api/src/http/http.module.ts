import { type DynamicModule, Module, type NestModule } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE, HttpAdapterHost } from '@nestjs/core';
import { BodyGuard } from './body.guard';
import { CallGuard } from './call.guard';
import { CrossOrigin } from './cross-origin';
import { DtoValidationPipe } from './dto-validation.pipe';
import { ErrorFilter } from './error.filter';
import { HttpPolicy } from './http-policy';
import { LoopbackRule } from './loopback-rule';
import { Routes } from './routes';
import { DtoValidators } from './validators';

/**
 * What every route passes, in this order: cross-origin headers and OPTIONS, the loopback rule, the router, the call with its deadline,
 * the body, its validator, the controller; and the one filter for whatever is thrown on the way.
 */
@Module({})
export class HttpModule implements NestModule {
  static forRoot(policy: HttpPolicy): DynamicModule {
    return {
      module: HttpModule,
      global: true,
      providers: [
        { provide: HttpPolicy, useValue: policy },
        { provide: APP_GUARD, useClass: CallGuard },
        { provide: APP_GUARD, useClass: BodyGuard },
        { provide: APP_PIPE, useClass: DtoValidationPipe },
        { provide: APP_FILTER, useClass: ErrorFilter },
        CrossOrigin,
        LoopbackRule,
        Routes,
        DtoValidators,
      ],
      exports: [HttpPolicy, DtoValidators],
    };
  }

  constructor(
    private readonly adapterHost: HttpAdapterHost,
    private readonly crossOrigin: CrossOrigin,
    private readonly loopbackRule: LoopbackRule,
  ) {}

  /** Mounted on the adapter: middleware of Nest is bound to paths, and does not see one with a broken encoding. */
  configure(): void {
    const { httpAdapter } = this.adapterHost;
    for (const handler of [this.crossOrigin.handle, this.loopbackRule.handle]) httpAdapter.use(handler);
  }
}
