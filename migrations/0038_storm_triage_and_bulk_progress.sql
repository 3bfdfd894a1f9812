-- What triage found in the messages on a post, beside them: a storm is counted and filtered by it, which by way of
-- message_triage took 0.4 s for 20 000 messages, and 1.4 s for a page of what few of 100 000 are. And how far a bulk call is.
set local lock_timeout = '2s';

alter table message_triage no force row level security;
alter table post_messages no force row level security;
-- All of them null: nobody has looked at the message, or never does.
alter table post_messages
  add column language text collate "C",
  add column question boolean,
  add column sentiment text collate "C" check (sentiment in ('complaint', 'praise', 'neutral')),
  add column proposed_disposition text collate "C"
    check (proposed_disposition in ('acknowledged', 'no_reply_needed'));
update post_messages p
set language = t.language, question = t.question, sentiment = t.sentiment, proposed_disposition = t.proposed_disposition
from message_triage t where t.workspace_id = p.workspace_id and t.message_id = p.message_id;

-- Read alone for counts, and for what a filter passes over.
drop index post_messages_newest;
create index post_messages_newest on post_messages (workspace_id, post_id, at desc, message_id desc)
  include (fingerprint, contact_id, language, question, sentiment, proposed_disposition);

alter table post_messages force row level security;
alter table message_triage force row level security;

-- How far a bulk call is: of which conversations it is, who made it, and when its last part was done.
alter table bulk_runs no force row level security;
alter table bulk_runs
  add column user_id uuid,
  add column conversation_ids uuid[],
  add column updated_at timestamptz(3);
-- Of calls from before it is not kept what they had still to do; they are forgotten in a day.
update bulk_runs set conversation_ids = array(select jsonb_object_keys(results)::uuid), updated_at = created_at;
alter table bulk_runs
  alter column conversation_ids set not null,
  alter column updated_at set not null;
alter table bulk_runs force row level security;
