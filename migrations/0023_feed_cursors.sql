-- Durable readers of the log: each consumer has a place in each workspace, which moves in the transaction of what the
-- consumer did with the events, so that each event has its effect once.
set local lock_timeout = '2s';

create table feed_cursors (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  consumer text collate "C" not null check (length(consumer) <= 100),
  -- The last event that was handled or set aside.
  xact xid8 not null,
  seq bigint not null,
  handled bigint not null default 0,
  moved_at timestamptz(3) not null,
  -- Of the event behind that place, when it has failed by itself: how often, why, and when it is tried again.
  attempts smallint not null default 0,
  error text,
  retry_at timestamptz(3),
  primary key (workspace_id, consumer)
);
call isolate_by_workspace('feed_cursors');

-- Events that a consumer could not handle. It went on without them; a person sees why, and can have them tried again.
create table feed_failures (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  consumer text collate "C" not null,
  xact xid8 not null,
  seq bigint not null,
  event_id uuid not null,
  event_type text not null,
  conversation_id uuid,
  -- failed: set aside. pending: to be tried again. done: handled after all.
  state text not null check (state in ('failed', 'pending', 'done')),
  attempts integer not null,
  error text not null,
  failed_at timestamptz(3) not null,
  done_at timestamptz(3),
  primary key (workspace_id, id),
  unique (workspace_id, consumer, xact, seq),
  foreign key (workspace_id, consumer) references feed_cursors (workspace_id, consumer)
);
create index feed_failures_pending on feed_failures (workspace_id, consumer, id) where state = 'pending';
create index feed_failures_open on feed_failures (workspace_id, consumer, id) where state <> 'done';
call isolate_by_workspace('feed_failures');

-- The sweep asks which workspaces have something unread; which, since when, and not what.
create policy system_lookup on events for select to parley_system using (true);
grant select (workspace_id, xact, seq, at) on events to parley_system;
create policy system_lookup on feed_cursors for select to parley_system using (true);
grant select (workspace_id, consumer, xact, seq) on feed_cursors to parley_system;
create policy system_lookup on feed_failures for select to parley_system using (state = 'pending');
grant select (workspace_id, consumer, state) on feed_failures to parley_system;
