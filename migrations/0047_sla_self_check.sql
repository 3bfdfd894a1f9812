-- Every day a sample of conversations has its clocks recomputed from the log and compared with what is stored. A run is a
-- row, so a worker that dies leaves it to the next one at the conversation that it had come to.
set local lock_timeout = '2s';

create table sla_self_checks (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  started_at timestamptz(3) not null,
  finished_at timestamptz(3),
  -- Until when the worker that is at it has it to itself.
  held_until timestamptz(3) not null,
  -- The conversations of the sample that have not been looked at.
  remaining uuid[] not null,
  conversations integer not null default 0,
  clocks integer not null default 0,
  -- Conversations that are too large to be recomputed.
  skipped integer not null default 0,
  primary key (workspace_id, started_at)
);
-- One at a time.
create unique index sla_self_checks_running on sla_self_checks (workspace_id) where finished_at is null;
call isolate_by_workspace('sla_self_checks');
create policy system_lookup on sla_self_checks for select to parley_system using (true);
grant select (workspace_id, started_at, finished_at, held_until) on sla_self_checks to parley_system;

create table sla_differences (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  check_started_at timestamptz(3) not null,
  inbox_id uuid not null,
  conversation_id uuid not null,
  clock_id uuid not null,
  level text not null check (level in ('log', 'figures', 'cause')),
  field text not null,
  stored jsonb,
  recomputed jsonb,
  found_at timestamptz(3) not null,
  primary key (workspace_id, id),
  -- What was merged or split is looked at along with each of its conversations.
  unique (workspace_id, check_started_at, clock_id, level, field),
  foreign key (workspace_id, check_started_at) references sla_self_checks (workspace_id, started_at) on delete cascade
);
call isolate_by_workspace('sla_differences');
