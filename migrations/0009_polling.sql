-- Polling: an interval for each channel, turns that a slow worker cannot keep, and a network's history on request.
set local lock_timeout = '2s';

alter table channels
  add column poll_seconds integer not null default 15 check (poll_seconds between 5 and 86400),
  -- Whose turn it is; next_poll_at says until when. Pages are stored under the turn they were read in and no other.
  add column poll_turn uuid,
  -- Turns come sooner than that while a backfill runs; the newest page is asked for then and not before.
  add column head_due_at timestamptz(3);

-- History that was asked for. Its place is stored with each page, so that it goes on where it was after any death.
create table backfills (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  channel_id uuid not null,
  state text not null default 'running' check (state in ('running', 'done', 'failed', 'cancelled')),
  reason text,
  -- How far back, in the network's time.
  since timestamptz(3) not null,
  cursor jsonb,
  pages integer not null default 0,
  -- Those the ledger did not have.
  events integer not null default 0,
  oldest_at timestamptz(3),
  -- Pages in a row that brought nothing older: a network that repeats itself is not followed for ever.
  stalled_pages integer not null default 0,
  -- In a row.
  failures integer not null default 0,
  next_page_at timestamptz(3) not null,
  started_at timestamptz(3) not null,
  finished_at timestamptz(3),
  primary key (workspace_id, id),
  foreign key (workspace_id, channel_id) references channels (workspace_id, id)
);
create unique index backfills_running on backfills (workspace_id, channel_id) where state = 'running';
create index backfills_by_channel on backfills (workspace_id, channel_id, started_at);
call isolate_by_workspace('backfills');
