-- Every version of a message is kept, its thread reads the same whatever the order of arrival, and what we say
-- ourselves comes back and is known.
set local lock_timeout = '2s';

-- Versions that are not the one on the message: an edited message has one row less here than it has versions.
create table message_versions (
  workspace_id uuid not null default current_workspace(),
  message_id uuid not null,
  -- The network's time of this version.
  version_at timestamptz(3) not null,
  body text not null,
  body_html text,
  body_marks text[] not null default '{}',
  received_at timestamptz(3) not null,
  digest uuid not null generated always as (md5(body)::uuid) stored,
  primary key (workspace_id, message_id, version_at, digest)
);
call isolate_by_workspace('message_versions');

alter table messages no force row level security;
alter table messages
  alter column external_id type text collate "C",
  alter column parent_external_id type text collate "C",
  -- What the network sent as HTML, made safe; null where it sends text.
  add column body_html text,
  -- What was done to the text so that it could be stored: NUL removed, halves of surrogate pairs replaced, cut off.
  add column body_marks text[] not null default '{}',
  -- Only a backfill has brought it: nobody waits for its answer.
  add column from_history boolean not null default false,
  -- Two messages of the same moment stand in the order of their network ids, whichever came first.
  add column thread_position text collate "C" not null generated always as (coalesce(external_id, id::text)) stored,
  -- Both follow from the conversation, which has them.
  drop constraint messages_workspace_id_channel_id_fkey,
  drop constraint messages_workspace_id_contact_id_fkey;
alter table messages force row level security;
drop index messages_by_conversation;
create index messages_by_conversation on messages (workspace_id, conversation_id, occurred_at, thread_position);
-- What was answered in the network's own app.
create index messages_native on messages (workspace_id, conversation_id, occurred_at) where author_type = 'native';
-- A parent that comes late finds the answers that wait for it.
create index messages_orphaned on messages (workspace_id, channel_id, parent_external_id)
  where parent_external_id is not null and in_reply_to is null;

alter table message_tombstones alter column external_id type text collate "C";
alter table contact_identities alter column external_id type text collate "C";

alter table conversations no force row level security;
alter table conversations
  alter column thread_key type text collate "C",
  -- Null while nobody but us has spoken in the thread.
  alter column contact_id drop not null,
  -- The first message of the thread as it is known so far: it names the customer and the subject.
  add column first_message_at timestamptz(3),
  add column first_external_id text collate "C";
update conversations set first_message_at = created_at;
alter table conversations
  alter column first_message_at set not null;
alter table conversations force row level security;

-- Each of these is implied by the conversation of the same row.
alter table waits
  drop constraint waits_workspace_id_contact_id_fkey;
