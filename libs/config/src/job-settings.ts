import { int, list, name, optionalDirectory, optionalSecret } from './readers';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A host as a URL has it, with or without a port. */
function areHosts(items: readonly string[]): boolean {
  return items.every((item) => URL.parse(`http://${item}/`)?.host === item);
}

/** One secret of Standard Webhooks or two between commas: `whsec_` and 24 to 64 bytes in base64. */
function areWebhookSecrets(text: string): boolean {
  const secrets = text.split(',');
  return secrets.length <= 2 && secrets.every((secret) => /^\s*whsec_[A-Za-z0-9+/]{32,86}={0,2}\s*$/.test(secret));
}

/** The settings of batch jobs, and of the files that they are read from and written to. */
export const JOB_SETTINGS = {
  BLOB_DIR: optionalDirectory({
    says: 'The folder of what jobs read and write: every HTTP process and every worker must see the same one. Unset: blobs in DATA_DIR.',
  }),
  JOB_WORKERS: int({
    min: 0,
    max: 16,
    default: 1,
    says: 'How many worker processes npm start runs beside the HTTP processes. 0: none, since others run them by npm run worker.',
  }),
  JOB_CONCURRENCY: int({ min: 1, max: 64, default: 2, says: 'How many chunks a worker process runs at once.' }),
  JOB_NAMESPACE: name({
    default: 'quayside_jobs',
    says: 'Keeps the queues of deployments on one PostgreSQL or Redis apart: the schema in the one, the prefix in the other.',
  }),
  JOB_CHUNK_WINDOW: int({
    min: 1,
    max: 100_000,
    default: 256,
    unit: 'chunks',
    says: 'How many chunks of one job are in the queue at once.',
  }),
  JOB_CHUNK_SECONDS: int({
    min: 1,
    max: 3600,
    default: 10,
    unit: 's',
    says: 'How long a chunk is meant to run, by what the model was seen to do; a chunk has 64 to 10000 rows and at most 8 MiB.',
  }),
  JOB_MAX_ROWS: int({ min: 1, default: 2_000_000, unit: 'rows', says: 'The most rows of one job.' }),
  JOB_MAX_BYTES: int({
    min: 1024,
    default: 2 * GIB,
    unit: 'bytes',
    says: 'The largest body with rows, as it is sent.',
  }),
  JOB_MAX_INFLATED_BYTES: int({
    min: 1024,
    default: 4 * GIB,
    unit: 'bytes',
    says: 'The largest body with rows after inflating.',
  }),
  JOB_BODY_LIMIT_BYTES: int({
    min: 1024,
    max: GIB,
    default: 16 * MIB,
    unit: 'bytes',
    says: 'The largest job that is sent as one JSON object, rows and all, before and after inflating.',
  }),
  JOB_MAX_ACTIVE: int({
    min: 1,
    default: 100,
    unit: 'jobs',
    says: 'How many jobs that have not ended there may be; more are refused with too_many_jobs.',
  }),
  JOB_MAX_QUEUED_ROWS: int({
    min: 1,
    default: 10_000_000,
    unit: 'rows',
    says: 'From so many rows on that wait in jobs which have not ended, further jobs are refused with too_many_jobs.',
  }),
  JOB_UPLOADS: int({
    min: 1,
    max: 1024,
    default: 8,
    says: 'How many uploads of rows an HTTP process takes at once; more are refused with too_many_uploads.',
  }),
  JOB_LEASE_MS: int({
    min: 100,
    max: HOUR_MS,
    default: 30_000,
    unit: 'ms',
    says: 'After how long without a sign of life of its worker a chunk is given to another one.',
  }),
  JOB_HEARTBEAT_MS: int({
    min: 10,
    max: HOUR_MS,
    default: 5000,
    unit: 'ms',
    says: 'How often a worker gives that sign, and learns of jobs that were cancelled.',
  }),
  JOB_RECONCILE_MS: int({
    min: 10,
    max: HOUR_MS,
    default: 10_000,
    unit: 'ms',
    says: 'How often a worker looks for chunks that were lost, jobs whose time is over, webhooks to send and files to delete.',
  }),
  JOB_LOOK_AGAIN_MS: int({
    min: 10,
    max: DAY_MS,
    default: 60_000,
    unit: 'ms',
    says: 'After how long a queued chunk that no worker took is looked for in the queue.',
  }),
  JOB_UPLOAD_SILENCE_MS: int({
    min: 100,
    max: DAY_MS,
    default: 60_000,
    unit: 'ms',
    says: 'After how long without progress an upload counts as interrupted, and its job fails.',
  }),
  JOB_RESULTS_RETENTION_MS: int({
    min: 1000,
    default: 7 * DAY_MS,
    unit: 'ms',
    says: 'How long after the end of a job its results are kept.',
  }),
  JOB_RETENTION_MS: int({
    min: 1000,
    default: 30 * DAY_MS,
    unit: 'ms',
    says: 'How long after its end a job can be asked for.',
  }),
  JOB_ORPHAN_AGE_MS: int({
    min: 100,
    default: HOUR_MS,
    unit: 'ms',
    says: 'How old a file that no job names is before it is deleted. Longer than downloads take: they go on while a retry replaces what they read.',
  }),
  JOB_WEBHOOK_SECRET: optionalSecret({
    rule: 'whsec_ and 24 to 64 bytes in base64, or two of them between commas',
    check: areWebhookSecrets,
    says: 'What webhooks are signed with; with two, by both, while receivers change from one to the other. Unset: jobs with a webhook_url are refused.',
  }),
  JOB_WEBHOOK_ALLOW_HOSTS: list({
    rule: 'hosts, each with or without its port, between commas',
    check: areHosts,
    says: 'Receivers of webhooks that may be at any address, and without https. Empty: none; others must be on the public internet.',
  }),
};
