/** What a process of the server does: it serves HTTP, or runs jobs. */
export type ProcessKind = 'http' | 'worker';

/**
 * What the supervisor tells a process: `listen` (a copy of the socket comes with it; only those that serve HTTP are told),
 * `stop` (again: hurry), and `retire`, which stops it while another one works in its place.
 */
export type Order =
  | { readonly type: 'listen' }
  | { readonly type: 'stop'; readonly cause: string }
  | { readonly type: 'retire'; readonly cause: string };

/** What a process tells the supervisor. */
export type Report =
  /** It lives, and its event loop turns. */
  | { readonly type: 'heartbeat' }
  /** It takes connections. */
  | { readonly type: 'listening' }
  /** Every pinned model serves, and these are all models; or it can run jobs, as far as that is its own affair. */
  | { readonly type: 'ready'; readonly models: readonly string[] }
  /** It cannot start, and ends. */
  | { readonly type: 'fault'; readonly reason: string }
  /** It was told to stop, and has: requests that it answered meanwhile, and that it refused. */
  | { readonly type: 'stopped'; readonly completed: number; readonly aborted: number };

/** The argument by which a process knows that the supervisor runs it; its number stands behind it. */
export const PROCESS_ARGUMENTS = { http: 'http-process', worker: 'worker-process' } as const;
