-- What the inbox list is sorted, filtered and counted by.
set local lock_timeout = '2s';

alter table conversations
  -- When the earliest promise to one of its customers falls due, or fell due and is still not kept; null: none runs.
  add column next_due_at timestamptz(3),
  add column priority text not null default 'normal' check (priority in ('low', 'normal', 'high', 'urgent')),
  -- Until then it is out of sight, unless its customer writes again.
  add column snoozed_until timestamptz(3),
  add column team_id uuid,
  add column attributes jsonb not null default '{}',
  add check (status <> 'snoozed' or snoozed_until is not null);

-- As their owner, who otherwise sees no rows.
alter table conversations no force row level security;
alter table sla_clocks no force row level security;
update conversations c
set next_due_at = (select min(due_at) from sla_clocks k
  where k.workspace_id = c.workspace_id and k.conversation_id = c.id and k.state = 'running')
where waiting_since is not null;
alter table sla_clocks force row level security;

-- A page is read from one of these, one probe for each inbox and status that its reader may see.
drop index conversations_by_status;
create index conversations_by_inbox on conversations
  (workspace_id, inbox_id, status, last_message_at desc, id desc);
-- Earliest deadline first, then the longest wait, then whoever needs nobody. Not by coalesce, which row-level security
-- takes for something that may leak, and then reads every row to compare it.
create index conversations_by_urgency on conversations (
  workspace_id, inbox_id, status,
  (case when next_due_at is null then 'infinity' else next_due_at end),
  (case when waiting_since is null then 'infinity' else waiting_since end), id);
create index conversations_by_waiting on conversations
  (workspace_id, inbox_id, status, waiting_since, id) where waiting_since is not null;
drop index conversations_waiting;
create index conversations_updated on conversations (workspace_id, updated_at, id);
create index conversations_to_wake on conversations (snoozed_until) where snoozed_until is not null;
create policy system_lookup on conversations for select to parley_system using (snoozed_until is not null);
grant select (workspace_id, id, snoozed_until) on conversations to parley_system;

-- How many conversations there are of each kind, as changes: their sum is the count. Written by the statement that
-- changes a conversation; a worker adds up what has been written since. Nobody waits for anybody on a row that is counted.
create table conversation_counts (
  workspace_id uuid not null default current_workspace(),
  id bigint not null generated always as identity,
  inbox_id uuid not null,
  channel_id uuid not null,
  status text not null,
  priority text not null,
  assignee_id uuid,
  team_id uuid,
  waiting boolean not null,
  count integer not null,
  primary key (workspace_id, id)
);
insert into conversation_counts (workspace_id, inbox_id, channel_id, status, priority, assignee_id, team_id, waiting, count)
select workspace_id, inbox_id, channel_id, status, priority, assignee_id, team_id, waiting_since is not null, count(*)
from conversations group by 1, 2, 3, 4, 5, 6, 7, 8;
alter table conversations force row level security;
call isolate_by_workspace('conversation_counts');

create function count_conversations() returns trigger
  language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into conversation_counts (workspace_id, inbox_id, channel_id, status, priority, assignee_id, team_id, waiting, count)
    select workspace_id, inbox_id, channel_id, status, priority, assignee_id, team_id, waiting_since is not null, count(*)
    from new_rows group by 1, 2, 3, 4, 5, 6, 7, 8;
  elsif tg_op = 'DELETE' then
    insert into conversation_counts (workspace_id, inbox_id, channel_id, status, priority, assignee_id, team_id, waiting, count)
    select workspace_id, inbox_id, channel_id, status, priority, assignee_id, team_id, waiting_since is not null, -count(*)
    from old_rows group by 1, 2, 3, 4, 5, 6, 7, 8;
  else
    insert into conversation_counts (workspace_id, inbox_id, channel_id, status, priority, assignee_id, team_id, waiting, count)
    select workspace_id, inbox_id, channel_id, status, priority, assignee_id, team_id, waiting, sum(one)
    from (
      select workspace_id, inbox_id, channel_id, status, priority, assignee_id, team_id, waiting_since is not null as waiting, 1 as one
      from new_rows
      union all
      select workspace_id, inbox_id, channel_id, status, priority, assignee_id, team_id, waiting_since is not null, -1
      from old_rows) changes
    group by 1, 2, 3, 4, 5, 6, 7, 8 having sum(one) <> 0;
  end if;
  return null;
end
$$;
create trigger conversations_counted_new after insert on conversations
  referencing new table as new_rows for each statement execute function count_conversations();
create trigger conversations_counted after update on conversations
  referencing old table as old_rows new table as new_rows for each statement execute function count_conversations();
create trigger conversations_counted_gone after delete on conversations
  referencing old table as old_rows for each statement execute function count_conversations();

-- A tag is known by its name, whatever its case.
create table tags (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  id uuid not null,
  name text not null,
  name_key text not null,
  color text,
  archived_at timestamptz(3),
  created_at timestamptz(3) not null,
  primary key (workspace_id, id),
  unique (workspace_id, name_key)
);
call isolate_by_workspace('tags');

create table conversation_tags (
  workspace_id uuid not null default current_workspace(),
  conversation_id uuid not null,
  tag_id uuid not null,
  tagged_by_type text not null,
  tagged_by_id uuid,
  tagged_at timestamptz(3) not null,
  primary key (workspace_id, conversation_id, tag_id),
  foreign key (workspace_id, conversation_id) references conversations (workspace_id, id),
  foreign key (workspace_id, tag_id) references tags (workspace_id, id)
);
create index conversation_tags_by_tag on conversation_tags (workspace_id, tag_id, conversation_id);
call isolate_by_workspace('conversation_tags');

-- Up to where each person has read.
create table conversation_reads (
  workspace_id uuid not null default current_workspace(),
  user_id uuid not null,
  conversation_id uuid not null,
  read_at timestamptz(3) not null,
  primary key (workspace_id, user_id, conversation_id),
  foreign key (workspace_id, user_id) references users (workspace_id, id),
  foreign key (workspace_id, conversation_id) references conversations (workspace_id, id)
);
create index conversation_reads_by_conversation on conversation_reads (workspace_id, conversation_id);
call isolate_by_workspace('conversation_reads');

-- A list that somebody looks at again and again: whose it is, what it lists and how it is sorted.
create table views (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  id uuid not null,
  name text not null,
  scope text not null check (scope in ('personal', 'team', 'workspace')),
  user_id uuid,
  team_id uuid,
  filter jsonb not null,
  sort text not null,
  version integer not null default 1,
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null,
  primary key (workspace_id, id),
  foreign key (workspace_id, user_id) references users (workspace_id, id),
  check (scope <> 'personal' or user_id is not null),
  check (scope <> 'team' or team_id is not null)
);
create index views_by_user on views (workspace_id, user_id) where user_id is not null;
call isolate_by_workspace('views');

-- The key of conversations is its youngest index again (0012 says why), and so everything that refers to it is put anew.
do $$
declare
  reference record;
begin
  create temporary table parley_references on commit drop as
    select conrelid::regclass::text as child, conname, pg_get_constraintdef(oid) as definition
    from pg_constraint where confrelid = 'conversations'::regclass and contype = 'f';
  for reference in select * from parley_references loop
    execute format('alter table %s drop constraint %I', reference.child, reference.conname);
  end loop;
  alter table conversations drop constraint conversations_pkey, add primary key (workspace_id, id);
  for reference in select * from parley_references loop
    execute format('alter table %s add constraint %I %s', reference.child, reference.conname, reference.definition);
  end loop;
end
$$;
