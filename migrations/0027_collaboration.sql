-- Working together on a conversation: who is mentioned in a note, who watches, what each person is told, and what is to be
-- done by when.
set local lock_timeout = '2s';

-- Who is meant by a note: a person, by name or with their team. Unique for each note and person, whatever named them.
create table note_mentions (
  workspace_id uuid not null default current_workspace(),
  message_id uuid not null,
  user_id uuid not null,
  -- The team that was mentioned; null: the person was, by name.
  team_id uuid,
  conversation_id uuid not null,
  mentioned_at timestamptz(3) not null,
  primary key (workspace_id, message_id, user_id),
  foreign key (workspace_id, message_id) references messages (workspace_id, id),
  foreign key (workspace_id, user_id) references users (workspace_id, id)
);
create index note_mentions_by_user on note_mentions (workspace_id, user_id, conversation_id);
call isolate_by_workspace('note_mentions');

-- The two below refer to conversations by id alone: a reference would lock the conversation for each row that a consumer of
-- the log writes, in the order of events, and what comes in locks conversations in the order of their ids.
create table conversation_watchers (
  workspace_id uuid not null default current_workspace(),
  conversation_id uuid not null,
  user_id uuid not null,
  reason text not null check (reason in ('by_hand', 'mentioned', 'owned')),
  watched_at timestamptz(3) not null,
  primary key (workspace_id, conversation_id, user_id),
  foreign key (workspace_id, user_id) references users (workspace_id, id)
);
create index conversation_watchers_by_user on conversation_watchers (workspace_id, user_id, conversation_id);
call isolate_by_workspace('conversation_watchers');

create table notifications (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  user_id uuid not null,
  -- What it is about: of one event nobody is told twice.
  event_id uuid not null,
  kind text not null check (kind in
    ('mentioned', 'assigned', 'unassigned', 'customer_message', 'resolved', 'reopened', 'task_due')),
  conversation_id uuid not null,
  message_id uuid,
  task_id uuid,
  actor_type text not null,
  actor_id uuid,
  at timestamptz(3) not null,
  read_at timestamptz(3),
  primary key (workspace_id, id),
  unique (workspace_id, user_id, event_id),
  foreign key (workspace_id, user_id) references users (workspace_id, id)
);
create index notifications_by_user on notifications (workspace_id, user_id, id);
create index notifications_unread on notifications (workspace_id, user_id, id) where read_at is null;
-- A thread in which a hundred customers write is one thing to look at.
create unique index notifications_one_unread on notifications (workspace_id, user_id, conversation_id)
  where kind = 'customer_message' and read_at is null;
create index notifications_by_age on notifications (workspace_id, at);
call isolate_by_workspace('notifications');

create table tasks (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  conversation_id uuid not null,
  title text not null,
  note text,
  due_at timestamptz(3) not null,
  assignee_id uuid,
  state text not null default 'open' check (state in ('open', 'done')),
  done_at timestamptz(3),
  -- When to tell that it is due; null once that is done, and of what is done.
  tell_due_at timestamptz(3),
  created_by_type text not null check (created_by_type in ('user', 'api_key')),
  created_by_id uuid not null,
  version integer not null default 1,
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null,
  primary key (workspace_id, id),
  foreign key (workspace_id, conversation_id) references conversations (workspace_id, id),
  foreign key (workspace_id, assignee_id) references users (workspace_id, id)
);
create index tasks_by_conversation on tasks (workspace_id, conversation_id, id);
create index tasks_by_assignee on tasks (workspace_id, assignee_id, state, due_at, id);
create index tasks_by_due on tasks (workspace_id, due_at, id);
create index tasks_to_tell on tasks (tell_due_at) where tell_due_at is not null;
call isolate_by_workspace('tasks');
create policy system_lookup on tasks for select to parley_system using (tell_due_at is not null);
grant select (workspace_id, tell_due_at) on tasks to parley_system;
