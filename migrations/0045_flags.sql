-- Messages of customers are flagged for somebody to look at, and a promise may say how soon that is dealt with: such a clock
-- belongs to the message.
set local lock_timeout = '2s';

alter table messages
  -- Null: it is not flagged, or not any more.
  add column flagged_at timestamptz(3),
  add column flagged_reason text,
  add column flagged_by_type text,
  add column flagged_by_id uuid;

alter table sla_clocks
  add column message_id uuid,
  drop constraint sla_clocks_metric_check,
  -- Rows written before are within the new bounds: the checks need not read them.
  add constraint sla_clocks_metric_check check (metric in
    ('first_response', 'next_response', 'resolution', 'assignment', 'team_ownership', 'moderation')) not valid,
  drop constraint sla_clocks_check1,
  -- A wait belongs to one customer, a flag to one message; everything else to the conversation.
  add constraint sla_clocks_whose check ((wait_id is null) = (contact_id is null)
    and (wait_id is not null) = (metric in ('first_response', 'next_response'))
    and (message_id is not null) = (metric = 'moderation')) not valid;
drop index sla_clocks_ordinal;
create unique index sla_clocks_ordinal on sla_clocks (workspace_id, conversation_id, contact_id, metric, message_id, ordinal)
  nulls not distinct where cancelled_reason is distinct from 'policy_removed';
drop index sla_clocks_of_conversation;
-- One of a kind at a time.
create unique index sla_clocks_of_conversation on sla_clocks (workspace_id, conversation_id, metric)
  where wait_id is null and message_id is null and state in ('running', 'paused');
create unique index sla_clocks_of_message on sla_clocks (workspace_id, message_id, metric)
  where message_id is not null and state in ('running', 'paused');
create index sla_clocks_by_message on sla_clocks (workspace_id, message_id) where message_id is not null;
