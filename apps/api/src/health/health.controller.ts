import { QuaysideError } from '@app/core';
import { HealthProbes, type ProbeAnswer } from '@app/health';
import { requestContext } from '@app/observability';
import { Controller, Get, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { renderError } from '../http/render-error';
import { Operation } from '../openapi/operation';
import { ProbeResponse } from './health.dto';

/** What an orchestrator asks. Probes need no key, are never limited, and do no I/O. */
@Controller()
export class HealthController {
  constructor(private readonly probes: HealthProbes) {}

  /** Must the process be restarted? */
  @Get('health')
  @Operation('health')
  health(@Req() request: Request, @Res({ passthrough: true }) response: Response): ProbeResponse {
    return answer(this.probes.live(), request, response);
  }

  /** Has it come up? */
  @Get('startup')
  @Operation('startup')
  startup(@Req() request: Request, @Res({ passthrough: true }) response: Response): ProbeResponse {
    return answer(this.probes.startup(), request, response);
  }

  /** May it get traffic? */
  @Get('ready')
  @Operation('ready')
  async ready(@Req() request: Request, @Res({ passthrough: true }) response: Response): Promise<ProbeResponse> {
    return answer(await this.probes.ready(), request, response);
  }
}

/** A probe that fails shows the same report as one that does not, and the catalogue's error beside it. */
function answer({ ok, report }: ProbeAnswer, request: Request, response: Response): ProbeResponse {
  if (ok) return report;
  const isDraining = report.status === 'draining';
  const error = isDraining
    ? new QuaysideError('shutting_down', 'The server is stopping.')
    : new QuaysideError('not_ready', 'The server is not ready.');
  const context = requestContext(request);
  context.errorCode = error.code;
  const { status, headers, body } = renderError(error, context);
  response.status(status).set(headers);
  return { ...report, error: body.error };
}
