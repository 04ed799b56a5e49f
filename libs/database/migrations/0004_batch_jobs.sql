-- A batch job. What a client sees of it changes together with `version`. Times are those of this database.
create table job (
  id text collate "C" primary key,
  tenant text not null,
  status text not null check (
    status in ('validating', 'queued', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled', 'expired')
  ),
  attempt int not null default 1,
  version int not null default 1,
  -- 0 high, 1 normal, 2 low.
  class smallint not null check (class between 0 and 2),
  model text not null,
  model_version text not null,
  digest text not null,
  params jsonb not null,
  metadata jsonb not null,
  -- Rows of the input; null while it is read.
  total int,
  succeeded int not null default 0,
  failed int not null default 0,
  -- Rows that earlier attempts have answered for good.
  answered_before int not null default 0,
  chunks int not null default 0,
  -- Chunks that are done or dead.
  chunks_done int not null default 0,
  -- Every chunk below has been given to the queue.
  enqueued_to int not null default 0,
  idempotency_key text,
  body_hash text,
  max_error_rate real,
  webhook_url text,
  cancel_requested_at timestamptz,
  deadline_at timestamptz,
  created_at timestamptz not null default now(),
  -- When the upload last made progress.
  upload_seen_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  results_expire_at timestamptz,
  results_removed boolean not null default false,
  error jsonb,
  sample_errors jsonb not null default '[]'
);
create unique index job_idempotency_key on job (tenant, idempotency_key) where idempotency_key is not null;
create index job_tenant on job (tenant, id);
create index job_active on job (status) where status in ('validating', 'queued', 'running', 'cancelling');
create index job_finished_at on job (finished_at) where finished_at is not null;
create index job_results_expire_at on job (results_expire_at) where not results_removed;

-- Rows first_row to first_row + rows - 1 of a job's input: what is queued, run and committed at once.
create table job_chunk (
  job_id text collate "C" not null references job on delete cascade,
  idx int not null,
  first_row int not null,
  rows int not null,
  input_key text not null,
  status text not null default 'pending' check (status in ('pending', 'running', 'done', 'dead')),
  -- Part of the id in the queue, which takes an id once.
  dispatch int not null default 0,
  -- Counts claims: what an older claim has to say is not heard.
  epoch int not null default 0,
  owner text,
  -- When somebody has to look: the queue may have lost it, or its worker. Null when nobody has to.
  due_at timestamptz,
  failures int not null default 0,
  crashes int not null default 0,
  -- The row that runs alone now, because a worker died of this chunk; those that a worker died of.
  probe_row int,
  bad_rows jsonb not null default '[]',
  -- The one result file that counts, and what is in it.
  result_key text,
  sha256 text,
  ok_rows int not null default 0,
  err_rows int not null default 0,
  last_error text,
  primary key (job_id, idx)
);
create index job_chunk_due_at on job_chunk (due_at) where due_at is not null;
create index job_chunk_open on job_chunk (job_id, idx) where status in ('pending', 'running');

-- A message to a client's receiver. The id is its `webhook-id`, the body the same in every try.
create table webhook_delivery (
  id text collate "C" primary key,
  job_id text collate "C" not null references job on delete cascade,
  type text not null,
  url text not null,
  body text not null,
  tries int not null default 0,
  next_at timestamptz not null default now(),
  last_status int,
  done_at timestamptz
);
create index webhook_delivery_next_at on webhook_delivery (next_at) where done_at is null;
create index webhook_delivery_job_id on webhook_delivery (job_id);

-- How fast one worker runs a model: a moving average.
create table model_rate (
  digest text primary key,
  rows_per_second real not null,
  updated_at timestamptz not null default now()
);
