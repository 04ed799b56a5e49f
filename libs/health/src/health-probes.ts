import { Injectable, ServiceUnavailableException } from '@nestjs/common';
import { HealthCheckService, type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import { type ComponentHealth, type HealthReport, Readiness } from './readiness';

/** What a probe answers. */
export interface ProbeAnswer {
  /** False: HTTP 503. */
  readonly ok: boolean;
  readonly report: HealthReport;
}

/** The three questions of an orchestrator, answered from memory: no probe does I/O. */
@Injectable()
export class HealthProbes {
  private liveNow: ProbeAnswer | undefined;

  constructor(
    private readonly readiness: Readiness,
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
  ) {}

  /**
   * Must the process be restarted? Never, as long as it can answer. Requests that came in together, in one turn of the
   * event loop, are told the same.
   */
  live(): ProbeAnswer {
    if (!this.liveNow) {
      this.liveNow = { ok: true, report: this.readiness.report() };
      setImmediate(() => (this.liveNow = undefined));
    }
    return this.liveNow;
  }

  /** Has it come up? Once it has, for ever. */
  startup(): ProbeAnswer {
    return { ok: this.readiness.hasStarted(), report: this.readiness.report() };
  }

  /** May it get traffic now? */
  async ready(): Promise<ProbeAnswer> {
    const isHealthy = await this.isHealthy();
    const report = this.readiness.report();
    return { ok: isHealthy && report.status !== 'draining', report };
  }

  private async isHealthy(): Promise<boolean> {
    try {
      await this.health.check([
        () => this.indicate('models', this.readiness.modelsHealth()),
        () => this.indicate('executors', this.readiness.executorsHealth()),
      ]);
      return true;
    } catch (thrown) {
      if (thrown instanceof ServiceUnavailableException) return false;
      throw thrown;
    }
  }

  private indicate(name: string, { status, reason }: ComponentHealth): HealthIndicatorResult {
    const indicator = this.indicators.check(name);
    if (status === 'down') return indicator.down({ reason });
    return status === 'degraded' ? indicator.degraded({ reason }) : indicator.up({ reason });
  }
}
