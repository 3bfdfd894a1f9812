-- Messages of customers are flagged for somebody to look at, and a promise may say how soon that is dealt with: such a clock
-- belongs to the message. Networks take answers to some messages only for a while: that is a deadline which no policy sets.
set local lock_timeout = '2s';

alter table messages
  -- Null: it is not flagged, or not any more.
  add column flagged_at timestamptz(3),
  add column flagged_reason text,
  add column flagged_by_type text,
  add column flagged_by_id uuid,
  -- Until when its network takes an answer; null: for ever, or nobody said.
  add column reply_until timestamptz(3);

alter table sla_clocks
  add column message_id uuid,
  drop constraint sla_clocks_metric_check,
  -- Rows written before are within the new bounds: the checks need not read them.
  add constraint sla_clocks_metric_check check (metric in
    ('first_response', 'next_response', 'resolution', 'assignment', 'team_ownership', 'moderation',
      'network_window')) not valid,
  drop constraint sla_clocks_check1,
  -- A wait belongs to one customer, a flag to one message, a window to the message that opened it for who waits; everything
  -- else to the conversation.
  add constraint sla_clocks_whose check ((wait_id is null) = (contact_id is null)
    and (wait_id is not null) = (metric in ('first_response', 'next_response', 'network_window'))
    and (message_id is not null) = (metric in ('moderation', 'network_window'))) not valid,
  -- A window is the network's: no policy promises it, and no calendar counts it.
  alter column policy_id drop not null,
  alter column policy_version drop not null,
  alter column calendar_id drop not null,
  alter column calendar_version drop not null,
  add constraint sla_clocks_promised check (
    num_nulls(policy_id, policy_version, calendar_id, calendar_version) = case metric when 'network_window' then 4 else 0 end)
    not valid;
drop index sla_clocks_ordinal;
create unique index sla_clocks_ordinal on sla_clocks (workspace_id, conversation_id, contact_id, metric, message_id, ordinal)
  nulls not distinct where cancelled_reason is distinct from 'policy_removed' and metric <> 'network_window';
drop index sla_clocks_of_conversation;
-- One of a kind at a time.
create unique index sla_clocks_of_conversation on sla_clocks (workspace_id, conversation_id, metric)
  where wait_id is null and message_id is null and state in ('running', 'paused');
create unique index sla_clocks_of_message on sla_clocks (workspace_id, message_id, metric)
  where message_id is not null and state in ('running', 'paused') and (metric = 'moderation' or breached_at is null);
create index sla_clocks_by_message on sla_clocks (workspace_id, message_id) where message_id is not null;
