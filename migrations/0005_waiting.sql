-- Each customer's wait, and the promises it is measured against. A breach is a fact of the due time, not of when
-- somebody looked: breached_at is always due_at, detected_at says when we noticed.
set local lock_timeout = '2s';

create table waits (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  conversation_id uuid not null,
  contact_id uuid not null,
  ordinal integer not null,
  opened_at timestamptz(3) not null,
  opened_by_message_id uuid not null,
  -- How late the network and we were: a late delivery is visible as the cause of a late answer.
  network_lag_ms bigint not null,
  ingest_lag_ms bigint not null,
  closed_at timestamptz(3),
  closed_by_message_id uuid,
  cancelled_reason text,
  primary key (workspace_id, id),
  unique (workspace_id, conversation_id, contact_id, ordinal),
  foreign key (workspace_id, conversation_id) references conversations (workspace_id, id),
  foreign key (workspace_id, contact_id) references contacts (workspace_id, id)
);
create unique index waits_open on waits (workspace_id, conversation_id, contact_id) where closed_at is null;
call isolate_by_workspace('waits');

create table sla_clocks (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  conversation_id uuid not null,
  contact_id uuid not null,
  wait_id uuid not null,
  inbox_id uuid not null,
  metric text not null check (metric in ('first_response', 'next_response')),
  ordinal integer not null,
  policy_id uuid not null,
  policy_version integer not null,
  calendar_id uuid not null,
  calendar_version integer not null,
  started_at timestamptz(3) not null,
  target_seconds integer not null,
  due_at timestamptz(3) not null,
  state text not null default 'running' check (state in ('running', 'fulfilled', 'cancelled')),
  breached_at timestamptz(3) check (breached_at = due_at),
  detected_at timestamptz(3),
  fulfilled_at timestamptz(3),
  fulfilled_by_message_id uuid,
  cancelled_at timestamptz(3),
  cancelled_reason text,
  -- Who owned the conversation when the outcome became known.
  owner_id uuid,
  primary key (workspace_id, id),
  unique (workspace_id, conversation_id, contact_id, metric, ordinal),
  foreign key (workspace_id, wait_id) references waits (workspace_id, id),
  foreign key (workspace_id, policy_id, policy_version) references sla_policy_versions (workspace_id, policy_id, version),
  foreign key (workspace_id, calendar_id, calendar_version) references calendar_versions (workspace_id, calendar_id, version)
);
create index sla_clocks_due on sla_clocks (due_at) where state = 'running' and breached_at is null;
create index sla_clocks_by_conversation on sla_clocks (workspace_id, conversation_id);
create index sla_clocks_by_start on sla_clocks (workspace_id, started_at);
call isolate_by_workspace('sla_clocks');
create policy system_lookup on sla_clocks for select to parley_system using (state = 'running' and breached_at is null);
grant select (workspace_id, due_at, state, breached_at) on sla_clocks to parley_system;
