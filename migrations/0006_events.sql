-- The log: every change is an event, written in the transaction of the change.
--
-- Readers order by (xact, seq) and read only below pg_snapshot_xmin(pg_current_snapshot()): a transaction that began
-- earlier and commits later can then never slip in behind a reader's cursor.
set local lock_timeout = '2s';

create table events (
  workspace_id uuid not null default current_workspace(),
  xact xid8 not null default pg_current_xact_id(),
  seq bigint not null generated always as identity,
  id uuid not null,
  type text not null,
  at timestamptz(3) not null,
  actor_type text not null check (actor_type in ('user', 'api_key', 'rule', 'contact', 'system')),
  actor_id uuid,
  conversation_id uuid,
  data json not null,
  previous json,
  primary key (workspace_id, xact, seq)
);
create index events_by_conversation on events (workspace_id, conversation_id, xact, seq) where conversation_id is not null;
call isolate_by_workspace('events');
-- The log only grows.
revoke update, delete on events from parley_app;
