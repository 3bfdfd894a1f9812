-- What a comment is on. A post can get thousands of comments in minutes, so what is told of it is read from indexes of
-- its own: its conversations in every order of a list, its messages by time and by what they say, its rate by the minute.
set local lock_timeout = '2s';

create table posts (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  channel_id uuid not null,
  -- The network's id, in the form in which ids of messages are stored: a post that is a message has the same.
  external_id text collate "C" not null check (length(external_id) <= 255),
  -- own: one of our accounts wrote it. theirs: somebody else did.
  kind text not null check (kind in ('own', 'theirs', 'unknown')),
  author_external_id text collate "C",
  author_handle text collate "C",
  author_name text collate "C",
  text text collate "C",
  permalink text collate "C",
  -- Since when author, text and permalink are known like this: what is newer replaces them, in whatever order it is told.
  author_at timestamptz(3),
  text_at timestamptz(3),
  permalink_at timestamptz(3),
  -- When it was posted, as the network says; null while nobody said.
  occurred_at timestamptz(3),
  first_seen_at timestamptz(3) not null,
  -- Kept by a consumer of the log, like everything below.
  last_message_at timestamptz(3) not null,
  message_count integer not null default 0,
  -- The surge that goes on until then, since when, and the numbers that made it one.
  surging_until timestamptz(3),
  surge jsonb,
  foreign key (workspace_id, channel_id) references channels (workspace_id, id)
);
create index posts_newest on posts (workspace_id, last_message_at desc, id desc);
create index posts_of_channel on posts (workspace_id, channel_id, last_message_at desc, id desc);
create index posts_surging on posts (workspace_id, surging_until) where surging_until is not null;
create index posts_of_author on posts (workspace_id, author_external_id) where author_external_id is not null;
-- What posts are looked up by is younger than what they are listed by, and is so taken in a table without statistics
-- (0012 says why).
alter table posts add unique (workspace_id, channel_id, external_id);
alter table posts add primary key (workspace_id, id);
call isolate_by_workspace('posts');

alter table conversations add column post_id uuid;
-- Not looked for in rows that are there: none has a post yet.
alter table conversations
  add foreign key (workspace_id, post_id) references posts (workspace_id, id) not valid;
-- Partial, so that a conversation that is on no post costs nothing here, and the check of a key never takes one of them.
create index conversations_by_post on conversations
  (workspace_id, post_id, status, last_message_at desc, id desc) include (assignee_id) where post_id is not null;
create index conversations_by_post_urgency on conversations (
  workspace_id, post_id, status,
  (case when next_due_at is null then 'infinity' else next_due_at end),
  (case when waiting_since is null then 'infinity' else waiting_since end), id) where post_id is not null;
create index conversations_by_post_waiting on conversations
  (workspace_id, post_id, status, waiting_since, id) where post_id is not null and waiting_since is not null;

-- What customers say on a post, with a hash of what it says once case, spaces and marks are left out: the same for
-- messages that differ in nothing else. Deleted and erased messages have no row.
create table post_messages (
  workspace_id uuid not null default current_workspace(),
  message_id uuid not null,
  post_id uuid not null,
  contact_id uuid not null,
  at timestamptz(3) not null,
  fingerprint text collate "C" not null,
  primary key (workspace_id, message_id),
  foreign key (workspace_id, post_id) references posts (workspace_id, id)
);
create index post_messages_newest on post_messages (workspace_id, post_id, at desc, message_id desc)
  include (fingerprint, contact_id);
create index post_messages_alike on post_messages (workspace_id, post_id, fingerprint, at desc, message_id desc);
create index post_messages_by_contact on post_messages (workspace_id, contact_id);
call isolate_by_workspace('post_messages');

-- How many messages came in each minute. Kept for a day.
create table post_minutes (
  workspace_id uuid not null default current_workspace(),
  post_id uuid not null,
  -- Minutes since 1970.
  minute integer not null,
  count integer not null,
  primary key (workspace_id, post_id, minute),
  foreign key (workspace_id, post_id) references posts (workspace_id, id)
);
create index post_minutes_by_age on post_minutes (workspace_id, minute);
call isolate_by_workspace('post_minutes');
