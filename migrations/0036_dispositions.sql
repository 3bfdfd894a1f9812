-- What became of each message of a customer. Nobody is unheard by accident: what is neither answered nor acknowledged,
-- hidden, spam or said to need no reply is unhandled. It follows from the facts of the row itself, so that no write can
-- forget it; the order in which they count is that of dispositionOf in the domain.
set local lock_timeout = '2s';

alter table contacts no force row level security;
alter table conversations no force row level security;
alter table messages no force row level security;
alter table messages
  -- The first answer of a person that reached the customer after they had written this, and when the network took it.
  add column answered_by_id uuid,
  add column answered_at timestamptz(3),
  -- Since when the conversation is spam, which it stands in.
  add column spam_at timestamptz(3),
  -- What somebody said it is who dismissed it.
  add column dismissed_as text check (dismissed_as in ('no_reply_needed', 'spam')),
  add constraint messages_answered_whole check (num_nulls(answered_by_id, answered_at) in (0, 2));
-- The rows are written anew, under an exclusive lock.
alter table messages
  add column disposition text generated always as (
    case
      when direction <> 'inbound' then null
      when answered_at is not null then 'answered'
      when spam_at is not null or dismissed_as = 'spam' then 'spam'
      when hidden_at is not null then 'hidden'
      when liked_at is not null then 'acknowledged'
      when dismissed_as is not null or deleted_at is not null or automatic or from_history then 'no_reply_needed'
      else 'unhandled'
    end) stored;

update messages set dismissed_as = 'no_reply_needed' where dismissed_at is not null;
alter table messages
  drop constraint messages_dismissed_whole,
  add constraint messages_dismissed_whole check (
    num_nulls(dismissed_at, dismissed_as, dismissed_reason, dismissed_by_type, dismissed_by_id) in (0, 5)
      and (dismissed_at is null or direction = 'inbound'));
update messages m set spam_at = c.updated_at from conversations c
where c.workspace_id = m.workspace_id and c.id = m.conversation_id and c.status = 'spam' and m.direction = 'inbound';

-- What was answered before: each message by the first answer to its writer that was written after it could be read.
with merged as (
  select workspace_id, id, coalesce(merged_into, id) as person from contacts),
answers as materialized (
  select a.workspace_id, a.conversation_id, a.id, a.author_type, a.in_reply_to, a.occurred_at, a.received_at,
    a.thread_position, p.person
  from messages a left join merged p on p.workspace_id = a.workspace_id and p.id = a.contact_id
  where a.direction = 'outbound' and a.state = 'sent' and a.author_type in ('user', 'native'))
update messages m set answered_by_id = first.id, answered_at = first.occurred_at
from (
  select distinct on (asked.workspace_id, asked.id) asked.workspace_id, asked.id as message_id, a.id, a.occurred_at
  from messages asked
    join merged p on p.workspace_id = asked.workspace_id and p.id = asked.contact_id
    join answers a on a.workspace_id = asked.workspace_id and a.conversation_id = asked.conversation_id
      and a.person = p.person
      and case a.author_type when 'native' then a.occurred_at >= asked.occurred_at
        else a.received_at >= asked.processed_at end
  where asked.direction = 'inbound'
    and (a.in_reply_to = asked.id or (asked.dismissed_at is null and asked.spam_at is null and asked.hidden_at is null
      and asked.deleted_at is null and not asked.automatic and not asked.from_history))
  order by asked.workspace_id, asked.id, a.occurred_at, a.thread_position) first
where m.workspace_id = first.workspace_id and m.id = first.message_id;

-- What may be said of a message that is dismissed; empty: anything.
alter table workspaces add column dismissal_reasons text[] not null default '{}';

create index messages_by_answer on messages (workspace_id, answered_by_id) where answered_by_id is not null;

alter table messages force row level security;
alter table conversations force row level security;
alter table contacts force row level security;
