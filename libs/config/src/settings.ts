import { JOB_SETTINGS } from './job-settings';
import { directory, flag, int, list, oneOf, optionalInt, optionalSecret, optionalSecretUrl, text } from './readers';

const MIB = 1024 * 1024;

/** `*` alone (credentials are never allowed across origins), or origins exactly as browsers send them. */
function areOrigins(items: readonly string[]): boolean {
  if (items.includes('*')) return items.length === 1;
  return items.every((item) => /^https?:\/\//.test(item) && URL.canParse(item) && new URL(item).origin === item);
}

/** Every setting, once. The types of `Config` and `docs/configuration.md` come from these lines. */
export const SETTINGS = {
  HTTP_HOST: text({
    default: '127.0.0.1',
    says: 'Address to listen on. Off loopback every route is open to whoever reaches the port; start warns.',
  }),
  HTTP_PORT: int({ min: 0, max: 65_535, default: 8080, says: 'Port to listen on; 0 takes a free one.' }),
  HTTP_CORS_ORIGINS: list({
    rule: '* alone, or exact origins such as https://app.example.com, between commas',
    check: areOrigins,
    says: 'Web pages of these origins may call the server. Empty: none. Credentials are never allowed across origins.',
  }),
  HTTP_BODY_LIMIT_BYTES: int({
    min: 1024,
    max: 1024 * MIB,
    default: MIB,
    unit: 'bytes',
    says: 'Largest body of /predict and of every route without a limit of its own, before and after inflating.',
  }),
  HTTP_INFERENCE_BODY_LIMIT_BYTES: int({
    min: 1024,
    max: 1024 * MIB,
    default: 16 * MIB,
    unit: 'bytes',
    says: 'Largest body of the other inference routes, before and after inflating.',
  }),
  HTTP_BODY_TIMEOUT_MS: int({
    min: 1,
    max: 3_600_000,
    default: 30_000,
    unit: 'ms',
    says: 'How long a body may take to arrive.',
  }),
  HTTP_HEADERS_TIMEOUT_MS: int({
    min: 1,
    max: 600_000,
    default: 10_000,
    unit: 'ms',
    says: 'How long the headers of a request may take to arrive, and how long a new connection may stay silent.',
  }),
  HTTP_KEEP_ALIVE_TIMEOUT_MS: int({
    min: 1,
    max: 3_600_000,
    default: 72_000,
    unit: 'ms',
    says: 'How long an idle connection is kept. Keep it longer than the idle time of your load balancer.',
  }),
  HTTP_MAX_CONNECTIONS: int({
    min: 1,
    max: 1_000_000,
    default: 10_000,
    says: 'How many connections may be open in each HTTP process; more are closed unanswered.',
  }),
  HTTP_TRUSTED_PROXY_HOPS: int({
    min: 0,
    max: 16,
    default: 0,
    says: 'How many proxies in front are trusted to name the client in X-Forwarded-For. 0: the header is ignored.',
  }),
  HTTP_PROCESSES: int({
    min: 0,
    max: 64,
    default: 1,
    says: 'How many processes serve HTTP, under a supervisor that replaces what dies. 0: one process without a supervisor, for development and tests.',
  }),
  HTTP_HEARTBEAT_TIMEOUT_MS: int({
    min: 1000,
    max: 3_600_000,
    default: 20_000,
    unit: 'ms',
    says: 'An HTTP process or worker that was not heard of for this long is killed and replaced.',
  }),
  HTTP_REPLACE_TIMEOUT_MS: int({
    min: 1000,
    max: 3_600_000,
    default: 120_000,
    unit: 'ms',
    says: 'How long a new process may take to become ready on SIGHUP; after that the old ones stay.',
  }),
  HTTP_REPLACE_GRACE_MS: int({
    min: 0,
    max: 600_000,
    default: 1000,
    unit: 'ms',
    says: 'How long a process that is replaced on SIGHUP still takes requests. Longer than the pauses of clients that keep connections.',
  }),
  LOG_LEVEL: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
    default: 'info',
    says: 'Least level that is logged.',
  }),
  LOG_PREDICTIONS: flag({
    default: true,
    says: 'Whether predictions are logged in PostgreSQL. Without a database none are.',
  }),
  LOG_PREDICTION_PAYLOAD: oneOf(['full', 'features', 'outputs', 'none'], {
    default: 'full',
    says: 'The most that is kept of a prediction, whatever the model.yaml of its model says: inputs, features and outputs; features and outputs; outputs; none of them.',
  }),
  LOG_PREDICTION_RETENTION_DAYS: int({
    min: 1,
    max: 36_500,
    default: 30,
    unit: 'days',
    says: 'How long logged predictions are kept. Whole days, in UTC, are removed at once.',
  }),
  LOG_PREDICTION_QUEUE_ROWS: int({
    min: 1,
    max: 1_000_000,
    default: 10_000,
    unit: 'rows',
    says: 'How many rows may wait in each process until PostgreSQL takes them; more are dropped and counted. The last tenth is kept for failed predictions.',
  }),
  LOG_PREDICTION_QUEUE_BYTES: int({
    min: 64 * 1024,
    default: 32 * MIB,
    unit: 'bytes',
    says: 'How much memory those rows may take, divided among the HTTP processes and the workers.',
  }),
  LOG_PREDICTION_HASH_KEY: optionalSecret({
    rule: 'at least 16 characters',
    check: (key) => key.length >= 16,
    says: 'The key of the HMAC-SHA-256 that stands for a field with the rule hash. Unset: one is made, and kept in DATA_DIR.',
  }),
  MODEL_DIR: directory({ default: 'models', missing: 'refuse', says: 'The folder of the models that are served.' }),
  MODEL_POLL_INTERVAL_MS: int({
    min: 0,
    max: 3_600_000,
    default: 2000,
    unit: 'ms',
    says: 'How often the model folder is looked through for new and changed versions. 0: only at start.',
  }),
  MODEL_MAX_CACHED: int({
    min: 1,
    max: 10_000,
    default: 10,
    unit: 'versions',
    says: 'How many versions may be loaded at once; the least recently used one that is idle and not pinned goes first.',
  }),
  MODEL_CACHE_BYTES: optionalInt({
    min: MIB,
    unit: 'bytes',
    says: 'How much memory loaded versions may take, divided among the HTTP processes and the workers. Unset: 60 % of what the server may use.',
  }),
  MODEL_ALLOW_EMPTY: flag({ default: false, says: 'Whether a server without any model is ready.' }),
  DATA_DIR: directory({
    default: '.quayside',
    missing: 'create',
    says: 'The folder of everything that the server itself writes.',
  }),
  DATABASE_URL: optionalSecretUrl({
    schemes: ['postgres', 'postgresql'],
    words: ['none'],
    says: 'Your PostgreSQL; it is tested with version 18. Unset: Quayside runs its own, in the folder postgres of DATA_DIR. none: it does without; nothing is then stored, and what needs that answers database_unavailable.',
  }),
  FEATURE_DIR: text({
    default: 'features',
    says: 'The folder of the feature views, in YAML; it is read once, at start. A folder that is not there has none.',
  }),
  FEATURE_READ_TIMEOUT_MS: int({
    min: 1,
    max: 200,
    default: 100,
    unit: 'ms',
    says: 'How long a request waits for stored features, where its own deadline leaves it that long.',
  }),
  FEATURE_FIRST_ROWS: flag({
    default: true,
    says: 'Whether a store that was never written to is filled with the rows that come with the model credit-risk, where that is served.',
  }),
  EXECUTOR_COUNT: optionalInt({
    min: 1,
    max: 256,
    says: 'How many batches may run at once in each HTTP process and each worker, each on a process of its own. Unset: one per CPU of the quota; it is divided among the HTTP processes, to which workers give way.',
  }),
  INFERENCE_DEADLINE_MS: int({
    min: 1,
    max: 3_600_000,
    default: 30_000,
    unit: 'ms',
    says: 'How long a prediction may take when neither the request nor the model says less.',
  }),
  INFERENCE_MAX_DEADLINE_MS: int({
    min: 1,
    max: 3_600_000,
    default: 120_000,
    unit: 'ms',
    says: 'The longest deadline that a request may ask for; a longer one is cut to it.',
  }),
  INFERENCE_QUEUE_LIMIT_ROWS: int({
    min: 1,
    default: 4096,
    unit: 'rows',
    says: 'How many rows may wait for one version; more are refused with overloaded.',
  }),
  INFERENCE_QUEUE_LIMIT_BYTES: int({
    min: MIB,
    default: 256 * MIB,
    unit: 'bytes',
    says: 'How much memory all waiting requests may take together, divided among the HTTP processes and the workers; more are refused with overloaded.',
  }),
  INFERENCE_CACHE_BYTES: int({
    min: 0,
    default: 64 * MIB,
    unit: 'bytes',
    says: 'How much memory results may take that are kept for equal requests, divided among the HTTP processes and the workers. 0: none are kept, not in Redis either.',
  }),
  REDIS_URL: optionalSecretUrl({
    schemes: ['redis', 'rediss'],
    says: 'Your Redis. Processes then share the results that they keep, and the queue of jobs is there. Unset: each process keeps its own, and the queue is in PostgreSQL. While Redis is down no job begins.',
  }),
  ...JOB_SETTINGS,
  SHUTDOWN_GRACE_MS: int({
    min: 0,
    max: 600_000,
    default: 0,
    unit: 'ms',
    says: 'How long requests are still taken after a stop signal, while /ready already answers 503. Behind a load balancer: its readiness period times its failure threshold, plus a second.',
  }),
  SHUTDOWN_TIMEOUT_MS: int({
    min: 1000,
    max: 3_600_000,
    default: 30_000,
    unit: 'ms',
    says: 'How long a stop may take in all, grace included; then the process ends with exit code 1.',
  }),
};

/** Rules over more than one setting: what is wrong, or undefined. */
export const CROSS_RULES: readonly {
  readonly variable: keyof typeof SETTINGS;
  readonly rule: string;
  broken(values: { readonly [Name in keyof typeof SETTINGS]: ReturnType<(typeof SETTINGS)[Name]['read']> }): boolean;
}[] = [
  {
    variable: 'SHUTDOWN_TIMEOUT_MS',
    rule: 'longer than SHUTDOWN_GRACE_MS',
    broken: (values) => values.SHUTDOWN_TIMEOUT_MS <= values.SHUTDOWN_GRACE_MS,
  },
  {
    variable: 'INFERENCE_MAX_DEADLINE_MS',
    rule: 'at least INFERENCE_DEADLINE_MS',
    broken: (values) => values.INFERENCE_MAX_DEADLINE_MS < values.INFERENCE_DEADLINE_MS,
  },
  {
    variable: 'JOB_LEASE_MS',
    rule: 'at least twice JOB_HEARTBEAT_MS',
    broken: (values) => values.JOB_LEASE_MS < 2 * values.JOB_HEARTBEAT_MS,
  },
  {
    variable: 'JOB_RETENTION_MS',
    rule: 'at least JOB_RESULTS_RETENTION_MS',
    broken: (values) => values.JOB_RETENTION_MS < values.JOB_RESULTS_RETENTION_MS,
  },
];
