/**
 * What the supervisor tells an HTTP process: `listen` (a copy of the socket comes with it), `stop` (again: hurry), and
 * `retire`, which stops it while another one serves in its place.
 */
export type Order =
  | { readonly type: 'listen' }
  | { readonly type: 'stop'; readonly cause: string }
  | { readonly type: 'retire'; readonly cause: string };

/** What an HTTP process tells the supervisor. */
export type Report =
  /** It lives, and its event loop turns. */
  | { readonly type: 'heartbeat' }
  /** It takes connections. */
  | { readonly type: 'listening' }
  /** Every pinned model serves; these are all models. */
  | { readonly type: 'ready'; readonly models: readonly string[] }
  /** It cannot start, and ends. */
  | { readonly type: 'fault'; readonly reason: string }
  /** It was told to stop, and has: requests that it answered meanwhile, and that it refused. */
  | { readonly type: 'stopped'; readonly completed: number; readonly aborted: number };

/** The argument by which an HTTP process knows what it is; its number stands behind it. */
export const HTTP_PROCESS = 'http-process';
