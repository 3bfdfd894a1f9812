-- The same done to many messages, with a result for each of them and a way back. What a batch is of is fixed when it is
-- made: nobody dismisses what nobody saw. Workers go through it in parts, and each part commits with its results.
set local lock_timeout = '2s';

create table message_batches (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  id uuid not null,
  action text not null check (action in ('dismiss', 'undismiss', 'hide', 'unhide', 'like', 'unlike', 'delete')),
  -- Why, of a dismissal.
  reason text,
  dismissed_as text check (dismissed_as in ('no_reply_needed', 'spam')),
  -- What its messages were selected by; null where they were named, or are those of the batch that it takes back.
  selection jsonb,
  state text not null check (state in ('finished', 'running')),
  -- How many messages it is of, and what became of them; the others are pending.
  total integer not null,
  done integer not null default 0,
  unchanged integer not null default 0,
  refused integer not null default 0,
  -- The selection had more messages than one batch takes.
  more boolean not null default false,
  -- Where its messages lie: whoever does not see all of these does not see it.
  inbox_ids uuid[] not null,
  created_by_type text not null check (created_by_type in ('user', 'api_key')),
  created_by_id uuid not null,
  -- Its messages are gone through in the order of their ids, up or down; this one was the last.
  reached_id uuid,
  -- The batch that this one takes back, and the one that takes this one back. Older ones are forgotten first.
  undoes uuid,
  undone_by uuid,
  created_at timestamptz(3) not null,
  finished_at timestamptz(3),
  primary key (workspace_id, id),
  check ((state = 'finished') = (finished_at is not null)),
  check (done + unchanged + refused <= total)
);
create index message_batches_running on message_batches (created_at) where state = 'running';
create index message_batches_by_age on message_batches (workspace_id, finished_at) where finished_at is not null;
call isolate_by_workspace('message_batches');
create policy system_lookup on message_batches for select to parley_system using (state = 'running');
grant select (workspace_id, id, state, created_at) on message_batches to parley_system;

-- A message can be named that there is not, so nothing here refers to messages. Nor to the batch, which is there as long as
-- these are: a hundred thousand are written by one request, and half of its time went into looking it up for each.
create table message_batch_items (
  workspace_id uuid not null default current_workspace(),
  batch_id uuid not null,
  message_id uuid not null,
  result text not null check (result in ('refused', 'unchanged', 'done', 'pending')),
  -- Why it was refused.
  code text,
  detail text,
  at timestamptz(3),
  -- What was queued for its network; or, with the opposite verb, what was taken back before it went out.
  action_id uuid,
  -- What an undismissal took away, or what a dismissal that takes one back says again.
  dismissal jsonb,
  check ((result = 'pending') = (at is null)),
  check ((result = 'refused') = (code is not null))
);
create index message_batch_items_refused on message_batch_items (workspace_id, batch_id, message_id)
  where result = 'refused';
-- Younger than the other index, and so taken in a table without statistics (0012 says why).
alter table message_batch_items add primary key (workspace_id, batch_id, message_id);
call isolate_by_workspace('message_batch_items');

-- Which batch asked for it: once for each message, whatever dies.
alter table message_actions add column batch_id uuid;
grant select (batch_id) on message_actions to parley_system;
create unique index message_actions_by_batch on message_actions (workspace_id, batch_id, message_id) include (state)
  where batch_id is not null;
create index message_actions_under_way on message_actions (workspace_id, batch_id)
  where batch_id is not null and next_attempt_at is not null;

-- When its dismissal was last taken back: whether somebody has decided about it since a batch did cannot be seen otherwise.
alter table messages add column undismissed_at timestamptz(3);
