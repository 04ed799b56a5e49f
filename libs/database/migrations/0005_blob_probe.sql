-- A process that writes blobs, for as long as it runs: its blob `probe/<id>` can be read wherever blobs are shared.
create table blob_probe (
  id text primary key,
  -- The machine that it runs on.
  host text not null,
  seen_at timestamptz not null default now()
);
