-- The SLA summary of team leads, counted from the log by a consumer of its own, so that what counts the other reports in the
-- version before goes on beside it. A clock is counted as it stands, with whose it was at its outcome.
set local lock_timeout = '2s';

create table report_clocks (
  workspace_id uuid not null default current_workspace(),
  build integer not null,
  -- The clock's.
  id uuid not null,
  conversation_id uuid not null,
  metric text collate "C" not null,
  -- Null: a window of its network, which nobody promised.
  policy_id uuid,
  priority text collate "C" not null,
  inbox_id uuid not null,
  channel_id uuid not null,
  post_id uuid,
  -- Whose it was at its outcome; null while it has none.
  team_id uuid,
  user_id uuid,
  tag_ids uuid[] not null,
  started_at timestamptz(3) not null,
  due_at timestamptz(3) not null,
  fulfilled_at timestamptz(3),
  outcome text collate "C" not null check (outcome in ('met', 'late', 'overdue', 'abandoned', 'running', 'paused', 'cancelled')),
  cancelled_reason text,
  -- From its start to what it promised, and how much of that was open time it counted.
  calendar_ms bigint,
  business_ms bigint,
  primary key (workspace_id, build, id)
);
-- The lists behind the numbers, by what decides in which period a clock is.
create index report_clocks_started on report_clocks (workspace_id, build, started_at, id);
create index report_clocks_due on report_clocks (workspace_id, build, due_at, id);
create index report_clocks_fulfilled on report_clocks (workspace_id, build, fulfilled_at, id) where fulfilled_at is not null;
create index report_clocks_of_conversation on report_clocks (workspace_id, build, conversation_id);
-- What waits, and what of it has fallen due though nobody has recorded it yet.
create index report_clocks_waiting on report_clocks (workspace_id, build, due_at) where outcome in ('running', 'overdue');
call isolate_by_workspace('report_clocks');

-- Their sums, by the hour and by the quarter of one, as in report_sums; and by months of UTC, which know of inboxes and of one thing
-- more at a time.
create table report_clock_sums (
  workspace_id uuid not null default current_workspace(),
  build integer not null,
  -- Whether `at` is when they started, fell due or were fulfilled.
  cohort text collate "C" not null check (cohort in ('started', 'due', 'fulfilled')),
  -- 43200 of a month.
  minutes integer not null,
  -- What a sum of a month tells apart beside inboxes; empty: nothing, and of all others.
  apart_by text collate "C" not null,
  tagged boolean not null,
  metric text collate "C" not null,
  at timestamptz(3) not null,
  inbox_id uuid not null,
  channel_id uuid not null,
  post_id uuid not null,
  team_id uuid not null,
  user_id uuid not null,
  tag_id uuid not null,
  policy_id uuid not null,
  priority text collate "C" not null,
  -- Empty in the sums of a month that have business times; they are counted by outcome with the calendar ones.
  outcome text collate "C" not null,
  -- Between which values both times lie; -1 of what is not fulfilled, and in sums that have the other one.
  calendar_bucket smallint not null,
  business_bucket smallint not null,
  count integer not null,
  calendar_total bigint not null,
  business_total bigint not null,
  -- With the numbers in it a summary reads this and not the table.
  primary key (workspace_id, build, cohort, minutes, apart_by, tagged, metric, at, inbox_id, channel_id, post_id, team_id, user_id, tag_id,
    policy_id, priority, outcome, calendar_bucket, business_bucket)
    include (count, calendar_total, business_total)
);
create index report_clock_sums_empty on report_clock_sums (workspace_id, build) where count = 0;
call isolate_by_workspace('report_clock_sums');
