-- People are told of promises that are about to be broken, and of those that are.
set local lock_timeout = '2s';

alter table notifications
  -- Which promise it is about.
  add column clock_id uuid,
  drop constraint notifications_kind_check,
  add constraint notifications_kind_check check (kind in
    ('mentioned', 'assigned', 'unassigned', 'customer_message', 'resolved', 'reopened', 'task_due', 'expert_answered',
      'sla_warned', 'sla_breached'))
    not valid;
-- A thread in which a hundred customers wait too long is one thing to look at.
create unique index notifications_one_unread_of_sla on notifications (workspace_id, user_id, conversation_id, kind)
  where kind in ('sla_warned', 'sla_breached') and read_at is null;

-- A policy may say that what we say at the top of a public thread answers everybody in it.
alter table sla_policy_versions add column top_level_reply_answers_all boolean not null default false;
-- Since when that counts for who waits; null: it does not.
alter table sla_clocks add column top_level_since timestamptz(3);
