-- The ledger: a row here is committed before a webhook is acknowledged and before a poll's cursor moves.
-- Everything after it can be repeated; the unique key makes a second delivery of the same event harmless.
set local lock_timeout = '2s';

create table inbound_events (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  channel_id uuid not null,
  dedup_key text not null check (length(dedup_key) <= 255),
  -- json, not jsonb: jsonb refuses the NUL and lone surrogates that networks deliver.
  payload json not null,
  received_at timestamptz(3) not null,
  state text not null default 'pending' check (state in ('pending', 'done', 'ignored', 'parked')),
  attempts smallint not null default 0,
  error text,
  processed_at timestamptz(3),
  primary key (workspace_id, id),
  unique (workspace_id, channel_id, dedup_key),
  foreign key (workspace_id, channel_id) references channels (workspace_id, id)
);
create index inbound_events_pending on inbound_events (workspace_id, channel_id, received_at, id) where state = 'pending';
create index inbound_events_parked on inbound_events (workspace_id, channel_id, id) where state = 'parked';
call isolate_by_workspace('inbound_events');
-- The sweeper looks for undone rows of all workspaces; which, not what.
create policy system_lookup on inbound_events for select to parley_system using (state = 'pending');
grant select (workspace_id, channel_id, state, received_at) on inbound_events to parley_system;
