-- Views, and their versions, which never change: other content under a known number is refused.
create table feature_view (
  id int primary key generated always as identity,
  name text not null unique,
  entities jsonb not null
);

create table feature_view_version (
  view_id int not null references feature_view,
  version int not null,
  content jsonb not null,
  content_hash text not null,
  applied_at timestamptz not null default clock_timestamp(),
  primary key (view_id, version),
  unique (view_id, content_hash)
);

-- One row per view and entity, which all versions of the view read. `data` is canonical JSON by the rules of `codec`.
create table feature_online (
  view_id int not null references feature_view,
  entity_key text collate "C" not null,
  event_ts timestamptz not null,
  written_at timestamptz not null,
  data jsonb not null,
  codec smallint not null,
  primary key (view_id, entity_key)
) with (fillfactor = 85);

-- Everything that was ever pushed, by month of arrival, so that late events need no old partition. The server makes the
-- partitions ahead.
create table feature_history (
  view_id int not null,
  entity_key text collate "C" not null,
  event_ts timestamptz not null,
  created_ts timestamptz not null,
  push_id uuid not null,
  data jsonb not null,
  codec smallint not null,
  primary key (view_id, entity_key, event_ts, created_ts, push_id)
) partition by range (created_ts);

-- What a push gave, so that a repeated one gets the same.
create table feature_push (
  push_id uuid primary key,
  view_id int not null references feature_view,
  created_ts timestamptz not null,
  result jsonb not null
);
create index feature_push_created_ts on feature_push (created_ts);
