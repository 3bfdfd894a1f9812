-- What a message is about, as far as words tell: written beside the messages by a consumer of the event log, so that nothing
-- that comes in waits for it. A proposal for people and rules; nothing follows from it by itself.
set local lock_timeout = '2s';

create table message_triage (
  workspace_id uuid not null default current_workspace(),
  message_id uuid not null,
  -- Who wrote it and when, as the message has them: what somebody wrote lately is counted here, in an index of this table,
  -- so that the one of messages need not grow for it.
  contact_id uuid not null,
  occurred_at timestamptz(3) not null,
  -- Of which version of the text: reasons point at places in it.
  version_at timestamptz(3) not null,
  content text not null check (content in ('text', 'mention_only', 'emoji_only')),
  language text,
  question boolean not null,
  sentiment text not null check (sentiment in ('complaint', 'praise', 'neutral')),
  score real not null check (score between -1 and 1),
  -- With this one: messages of this person that nobody had answered, and conversations in which they wrote.
  unanswered_24h integer not null,
  unanswered_7d integer not null,
  conversations_7d integer not null,
  rank smallint not null,
  proposed_priority text not null check (proposed_priority in ('low', 'normal', 'high', 'urgent')),
  proposed_disposition text check (proposed_disposition in ('acknowledged', 'no_reply_needed')),
  -- Codes, points and places in the text. No words: they go with the message when it is erased.
  reasons jsonb not null,
  -- What a person said of it, which no model says otherwise later.
  corrected text[] not null default '{}' check (corrected <@ array['sentiment', 'question', 'language']),
  model text not null,
  model_version text not null,
  triaged_at timestamptz(3) not null,
  primary key (workspace_id, message_id)
);
create index message_triage_by_contact on message_triage (workspace_id, contact_id, occurred_at desc);
call isolate_by_workspace('message_triage');

-- Whose word the language of a conversation is. A person's stands; a contact's own wish goes before what is found out.
alter table conversations
  add column language_source text check (language_source in ('person', 'contact', 'detected')),
  add check ((language is null) = (language_source is null)) not valid;
