-- Where conversations come from and which team sees them: a channel is one connected account and feeds one inbox.
set local lock_timeout = '2s';

create table calendars (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  id uuid not null,
  name text not null,
  version integer not null,
  created_at timestamptz(3) not null,
  primary key (workspace_id, id),
  unique (workspace_id, name)
);
call isolate_by_workspace('calendars');

-- Never changed: a clock names the version it was counted with.
create table calendar_versions (
  workspace_id uuid not null default current_workspace(),
  calendar_id uuid not null,
  version integer not null,
  definition jsonb not null,
  created_at timestamptz(3) not null,
  primary key (workspace_id, calendar_id, version),
  foreign key (workspace_id, calendar_id) references calendars (workspace_id, id)
);
call isolate_by_workspace('calendar_versions');

create table sla_policies (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  id uuid not null,
  name text not null,
  version integer not null,
  created_at timestamptz(3) not null,
  primary key (workspace_id, id),
  unique (workspace_id, name)
);
call isolate_by_workspace('sla_policies');

create table sla_policy_versions (
  workspace_id uuid not null default current_workspace(),
  policy_id uuid not null,
  version integer not null,
  calendar_id uuid not null,
  first_response_seconds integer check (first_response_seconds > 0),
  next_response_seconds integer check (next_response_seconds > 0),
  enforce_from timestamptz(3) not null,
  created_at timestamptz(3) not null,
  primary key (workspace_id, policy_id, version),
  foreign key (workspace_id, policy_id) references sla_policies (workspace_id, id),
  foreign key (workspace_id, calendar_id) references calendars (workspace_id, id)
);
call isolate_by_workspace('sla_policy_versions');

create table inboxes (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  id uuid not null,
  name text not null,
  sla_policy_id uuid,
  created_at timestamptz(3) not null,
  primary key (workspace_id, id),
  unique (workspace_id, name),
  foreign key (workspace_id, sla_policy_id) references sla_policies (workspace_id, id)
);
call isolate_by_workspace('inboxes');

create table channels (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  id uuid not null,
  inbox_id uuid not null,
  kind text not null,
  name text not null,
  external_id text,
  status text not null check (status in ('active', 'paused', 'disabled', 'deleted')),
  status_reason text,
  settings jsonb not null,
  credentials_sealed bytea not null,
  session_sealed bytea,
  cursor jsonb,
  -- When the network may be asked again; null for channels that are never polled.
  next_poll_at timestamptz(3),
  -- The network asked us to be quiet until then.
  resume_at timestamptz(3),
  poll_failures integer not null default 0,
  connected_at timestamptz(3) not null,
  created_at timestamptz(3) not null,
  primary key (workspace_id, id),
  foreign key (workspace_id, inbox_id) references inboxes (workspace_id, id)
);
create index channels_by_id on channels (id);
create index channels_to_poll on channels (next_poll_at) where status = 'active' and next_poll_at is not null;
call isolate_by_workspace('channels');
-- A webhook names only its channel: which workspace that is must be found before there is one.
create policy system_lookup on channels for select to parley_system using (true);
grant select (workspace_id, id, status, next_poll_at) on channels to parley_system;
