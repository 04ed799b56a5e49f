import type { Config } from '@app/config';

/** Which limit a body has: `small` for most routes, `inference` for those that carry tensors or many texts, `job` for whole jobs. */
export type BodyClass = 'small' | 'inference' | 'job';

/** What the doors allow. A class, so that it is its own injection token. */
export class HttpPolicy {
  /** Largest body in bytes by class, before and after inflating. */
  readonly bodyLimitBytes: Readonly<Record<BodyClass, number>>;
  /** Largest body that is streamed, in bytes as sent. */
  readonly uploadLimitBytes: number;
  /** How long a body may take to arrive, in milliseconds; one that is streamed may take longer, but make no pause of this length. */
  readonly bodyTimeoutMs: number;
  /** Deadline of a request that names none, in milliseconds. */
  readonly deadlineMs: number;
  /** Longest deadline that a request may ask for, in milliseconds; a longer one is cut to it. */
  readonly maxDeadlineMs: number;
  /** Origins whose pages may call, exactly as browsers send them; `*` alone: all; empty: none. */
  readonly corsOrigins: readonly string[];
  /** Whether only programs of this host can reach the server; see `LoopbackRule`. */
  readonly loopbackOnly: boolean;
  /** How many proxies in front may say whom they speak for. */
  readonly trustedProxyHops: number;

  constructor({ http, inference, job }: Pick<Config, 'http' | 'inference' | 'job'>) {
    this.bodyLimitBytes = {
      small: http.bodyLimitBytes,
      inference: http.inferenceBodyLimitBytes,
      job: job.bodyLimitBytes,
    };
    this.uploadLimitBytes = job.maxBytes;
    this.bodyTimeoutMs = http.bodyTimeoutMs;
    this.deadlineMs = inference.deadlineMs;
    this.maxDeadlineMs = inference.maxDeadlineMs;
    this.corsOrigins = http.corsOrigins;
    this.loopbackOnly = isLoopback(http.host);
    this.trustedProxyHops = http.trustedProxyHops;
  }
}

/** Whether a host name or address, without a port, means this host alone. */
export function isLoopback(host: string): boolean {
  return (
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    /^127(?:\.\d{1,3}){3}$/.test(host) ||
    /^\[?::1\]?$/.test(host)
  );
}
