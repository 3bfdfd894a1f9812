-- Actions that are done to many conversations at once, kept to be done again, or done by themselves.
set local lock_timeout = '2s';

-- A rule can write a note. Every row satisfies the narrower check that there was.
alter table messages
  drop constraint messages_author_type_check,
  add constraint messages_author_type_check
    check (author_type in ('contact', 'user', 'api_key', 'native', 'rule')) not valid;

-- Actions that somebody does again and again, under one name.
create table macros (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  id uuid not null,
  name text not null,
  scope text not null check (scope in ('personal', 'team', 'workspace')),
  user_id uuid,
  team_id uuid,
  actions jsonb not null,
  version integer not null default 1,
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null,
  primary key (workspace_id, id),
  foreign key (workspace_id, user_id) references users (workspace_id, id),
  check (scope <> 'personal' or user_id is not null),
  check (scope <> 'team' or team_id is not null)
);
call isolate_by_workspace('macros');

-- What is done by itself when something happens. What a rule was in an earlier version stands in the log.
create table rules (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  id uuid not null,
  name text not null,
  -- Rules are tried in this order, and those of one place in the order of their making.
  position integer not null,
  enabled boolean not null,
  -- Null: in every inbox.
  inbox_ids uuid[],
  triggers text[] not null,
  conditions jsonb not null,
  actions jsonb not null,
  -- Where it applies, no later rule is tried for the same event.
  stop boolean not null,
  version integer not null default 1,
  -- Since when an action of it has been refused whenever it was applied, and what was said last.
  failing_since timestamptz(3),
  last_error text,
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null,
  primary key (workspace_id, id)
);
call isolate_by_workspace('rules');

-- A bulk call with an Idempotency-Key goes on where it ended: each part of it commits with its results.
create table bulk_runs (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  id uuid not null,
  credential_id uuid not null,
  key text not null,
  fingerprint bytea not null,
  -- By conversation, what became of it; what is missing is still to be done.
  results jsonb not null default '{}',
  created_at timestamptz(3) not null,
  primary key (workspace_id, id),
  unique (workspace_id, credential_id, key)
);
create index bulk_runs_by_age on bulk_runs (workspace_id, created_at);
call isolate_by_workspace('bulk_runs');
