-- A thread of the network may be told in several conversations: one after the other, or apart, or in one that was begun by
-- another thread. Exactly one row holds a thread at a time: what comes in finds it there, or where that was merged into.
set local lock_timeout = '2s';

-- How long after it was resolved a customer's message opens a conversation again; null: always.
alter table inboxes add column reopen_window_seconds integer check (reopen_window_seconds between 0 and 315360000);

alter table conversations
  add column thread_current boolean not null default true,
  -- The one it goes on from, which was resolved too long ago to be opened again; and that one's successor.
  add column follows_id uuid,
  add column followed_by_id uuid,
  add column split_from_id uuid,
  -- Where its messages are now. It is a pointer then, with a status that no list has.
  add column merged_into_id uuid,
  drop constraint conversations_workspace_id_channel_id_thread_key_key,
  drop constraint conversations_status_check,
  add constraint conversations_status_check
    check (status in ('open', 'pending', 'snoozed', 'resolved', 'spam', 'merged')) not valid,
  add constraint conversations_merged_check check (status <> 'merged' or merged_into_id is not null) not valid,
  add foreign key (workspace_id, follows_id) references conversations (workspace_id, id) not valid,
  -- Written before its successor is there: only then the thread is free to be held by that.
  add foreign key (workspace_id, followed_by_id) references conversations (workspace_id, id)
    deferrable initially deferred not valid,
  add foreign key (workspace_id, split_from_id) references conversations (workspace_id, id) not valid,
  add foreign key (workspace_id, merged_into_id) references conversations (workspace_id, id) not valid;
create unique index conversations_by_thread on conversations (workspace_id, channel_id, thread_key) where thread_current;
create index conversations_merged on conversations (workspace_id, merged_into_id) where merged_into_id is not null;

-- The conversation with whose thread it came, where it stands in another one now: its answers leave into that thread.
alter table messages
  add column thread_conversation_id uuid,
  add foreign key (workspace_id, thread_conversation_id) references conversations (workspace_id, id) not valid;

-- Of a wait that was cancelled because its customer waits in the same conversation since earlier: which one that is.
alter table waits
  add column merged_into_id uuid,
  add foreign key (workspace_id, merged_into_id) references waits (workspace_id, id) not valid;
