-- A customer's message that somebody has said needs no answer: nobody waits for one to it.
set local lock_timeout = '2s';

alter table messages
  add column dismissed_at timestamptz(3),
  add column dismissed_reason text,
  add column dismissed_by_type text,
  add column dismissed_by_id uuid;
-- Not valid: no row that is there has any of them, and reading them all would hold the lock for long.
alter table messages add constraint messages_dismissed_whole check (
  num_nulls(dismissed_at, dismissed_reason, dismissed_by_type, dismissed_by_id) in (0, 4)
    and (dismissed_at is null or direction = 'inbound')
) not valid;
