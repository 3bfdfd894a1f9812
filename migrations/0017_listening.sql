-- Connections that networks keep open to tell of news. One worker holds each of them, for as long as it renews its lease;
-- what is lost with a connection is read by the next poll.
set local lock_timeout = '2s';

create table channel_listeners (
  workspace_id uuid not null default current_workspace(),
  channel_id uuid not null,
  -- The process that has it.
  holder uuid not null,
  lease_until timestamptz(3) not null,
  -- Connections in a row that did not last, and until when no other is tried.
  failures integer not null default 0,
  retry_at timestamptz(3),
  primary key (workspace_id, channel_id),
  foreign key (workspace_id, channel_id) references channels (workspace_id, id)
);
call isolate_by_workspace('channel_listeners');
create policy system_lookup on channel_listeners for select to parley_system using (true);
grant select (workspace_id, channel_id, lease_until, retry_at) on channel_listeners to parley_system;
grant select (kind) on channels to parley_system;
