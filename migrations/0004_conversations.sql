-- People and what they said. Uniqueness is what makes a repeated event harmless:
-- an identity per network account, a conversation per thread, a message per network id.
set local lock_timeout = '2s';

create table contacts (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  id uuid not null,
  name text not null,
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null,
  primary key (workspace_id, id)
);
call isolate_by_workspace('contacts');

-- network is the namespace in which external_id is unique: 'bluesky', or one generic channel.
create table contact_identities (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  contact_id uuid not null,
  network text not null,
  external_id text not null check (length(external_id) <= 255),
  handle text,
  display_name text,
  avatar_url text,
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null,
  primary key (workspace_id, id),
  unique (workspace_id, network, external_id),
  foreign key (workspace_id, contact_id) references contacts (workspace_id, id)
);
create index contact_identities_by_contact on contact_identities (workspace_id, contact_id);
call isolate_by_workspace('contact_identities');

create table conversations (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  number bigint not null,
  inbox_id uuid not null,
  channel_id uuid not null,
  contact_id uuid not null,
  thread_key text not null check (length(thread_key) <= 255),
  subject text,
  status text not null default 'open' check (status in ('open', 'pending', 'snoozed', 'resolved', 'spam')),
  assignee_id uuid,
  -- Since when the longest-waiting customer of this conversation waits; null when nobody does.
  waiting_since timestamptz(3),
  last_message_at timestamptz(3) not null,
  resolved_at timestamptz(3),
  version integer not null default 1,
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null,
  primary key (workspace_id, id),
  unique (workspace_id, channel_id, thread_key),
  unique (workspace_id, number),
  foreign key (workspace_id, inbox_id) references inboxes (workspace_id, id),
  foreign key (workspace_id, channel_id) references channels (workspace_id, id),
  foreign key (workspace_id, contact_id) references contacts (workspace_id, id),
  foreign key (workspace_id, assignee_id) references users (workspace_id, id)
);
create index conversations_newest on conversations (workspace_id, last_message_at desc, id desc);
create index conversations_by_status on conversations (workspace_id, status, last_message_at desc, id desc);
create index conversations_by_assignee on conversations (workspace_id, assignee_id, status, last_message_at desc, id desc);
create index conversations_waiting on conversations (workspace_id, waiting_since, id) where waiting_since is not null;
call isolate_by_workspace('conversations');

create table messages (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  conversation_id uuid not null,
  channel_id uuid not null,
  direction text not null check (direction in ('inbound', 'outbound', 'internal')),
  kind text not null,
  visibility text not null check (visibility in ('public', 'private')),
  -- received: from the network; stored: a note. The others are the life of a reply.
  state text not null check (state in ('received', 'stored', 'queued', 'sending', 'sent', 'rejected', 'unknown')),
  state_reason text,
  author_type text not null check (author_type in ('contact', 'user', 'api_key', 'native')),
  author_id uuid,
  contact_id uuid,
  body text not null,
  external_id text check (length(external_id) <= 255),
  parent_external_id text check (length(parent_external_id) <= 255),
  in_reply_to uuid,
  permalink text,
  reply_context json,
  -- The network's time, clamped to the time we received it; ours until the network accepted, for a reply.
  occurred_at timestamptz(3) not null,
  received_at timestamptz(3) not null,
  processed_at timestamptz(3) not null,
  -- The network's time of this version: an older version never replaces a newer one.
  version_at timestamptz(3) not null,
  edited_at timestamptz(3),
  deleted_at timestamptz(3),
  resolve_after boolean not null default false,
  -- When a worker should look at this reply next: to send it, to take over from a worker that died, to ask the network.
  -- Null: nothing is to be done by itself.
  next_attempt_at timestamptz(3),
  primary key (workspace_id, id),
  unique (workspace_id, channel_id, external_id),
  foreign key (workspace_id, conversation_id) references conversations (workspace_id, id),
  foreign key (workspace_id, channel_id) references channels (workspace_id, id),
  foreign key (workspace_id, contact_id) references contacts (workspace_id, id),
  check (direction = 'internal' or author_type <> 'contact' or contact_id is not null)
);
create index messages_by_conversation on messages (workspace_id, conversation_id, occurred_at, id);
create index messages_unsent on messages (workspace_id, conversation_id, occurred_at, id) where state in ('queued', 'sending');
create index messages_to_attempt on messages (next_attempt_at) where next_attempt_at is not null;
create index messages_outbox on messages (workspace_id, channel_id, occurred_at, id) where state = 'queued';
call isolate_by_workspace('messages');
create policy system_lookup on messages for select to parley_system using (next_attempt_at is not null);
grant select (workspace_id, id, next_attempt_at) on messages to parley_system;

-- A deletion that came before its message waits here for it.
create table message_tombstones (
  workspace_id uuid not null default current_workspace(),
  channel_id uuid not null,
  external_id text not null,
  version_at timestamptz(3) not null,
  primary key (workspace_id, channel_id, external_id),
  foreign key (workspace_id, channel_id) references channels (workspace_id, id)
);
call isolate_by_workspace('message_tombstones');

-- One row per call to a network, committed before the call: what was about to be said, and what came of it.
create table send_attempts (
  workspace_id uuid not null default current_workspace(),
  message_id uuid not null,
  number smallint not null,
  prepared json not null,
  started_at timestamptz(3) not null,
  -- While this lies ahead the attempt belongs to the worker that began it.
  lease_until timestamptz(3) not null,
  finished_at timestamptz(3),
  outcome text check (outcome in ('sent', 'rejected', 'retry', 'unknown')),
  -- How often the network was asked whether it has this reply.
  looks smallint not null default 0,
  reason text,
  primary key (workspace_id, message_id, number),
  foreign key (workspace_id, message_id) references messages (workspace_id, id)
);
call isolate_by_workspace('send_attempts');

-- Ownership is history: the present owner stands on the conversation, how it came about stands here.
create table assignments (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  conversation_id uuid not null,
  user_id uuid,
  previous_user_id uuid,
  actor_type text not null,
  actor_id uuid,
  assigned_at timestamptz(3) not null,
  primary key (workspace_id, id),
  foreign key (workspace_id, conversation_id) references conversations (workspace_id, id),
  foreign key (workspace_id, user_id) references users (workspace_id, id)
);
create index assignments_by_conversation on assignments (workspace_id, conversation_id, assigned_at);
call isolate_by_workspace('assignments');
