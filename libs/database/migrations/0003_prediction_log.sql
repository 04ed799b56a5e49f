-- One row per instance of a prediction. `id` is a UUIDv7 and `created_at` its millisecond, so a look-up by id touches one
-- partition and writing twice changes nothing. Partitions are UTC days; the server makes them ahead and drops old ones.
create table prediction_log (
  id uuid not null,
  row_index int not null,
  created_at timestamptz not null,
  tenant text,
  request_id text,
  trace_id text,
  door text not null,
  model text not null,
  version text not null,
  digest text not null,
  status text not null,
  error_code text,
  queue_ms real not null,
  enrich_ms real not null,
  infer_ms real not null,
  total_ms real not null,
  batch_size int not null,
  cache text,
  degraded boolean not null,
  inputs jsonb,
  outputs jsonb,
  features jsonb,
  entity_keys text[],
  prediction_num float8,
  prediction_label text,
  score float8,
  sampling_rate real not null,
  flags text[],
  codec smallint not null,
  primary key (created_at, id, row_index)
) partition by range (created_at);
create index prediction_log_model on prediction_log (model, version, created_at desc);
create index prediction_log_request_id on prediction_log (request_id);

-- Rows that the table above refused, as the bytes of their JSON, with the SQLSTATE that says why.
create table prediction_log_reject (
  id uuid not null,
  row_index int not null,
  created_at timestamptz not null,
  rejected_at timestamptz not null default clock_timestamp(),
  reason text not null,
  content bytea not null,
  primary key (id, row_index)
);
create index prediction_log_reject_rejected_at on prediction_log_reject (rejected_at);
