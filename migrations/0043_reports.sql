-- Reports for team leads, counted from the log by a consumer of it. Beside what is counted stand the sums, by the hour and
-- by the quarter of one, at which the days of every time zone begin: a year is read without reading what was said in it.
set local lock_timeout = '2s';

-- Which of the builds below counts. A rebuild begins another one, and what the former ones left is cleared away later.
create table report_builds (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  build integer not null,
  begun_at timestamptz(3) not null,
  primary key (workspace_id)
);
call isolate_by_workspace('report_builds');

-- What is counted, one row each: a customer's message, a reply that its network took, what became of a conversation, an
-- event that was parked. Lists behind the numbers are read from here, and what a change takes from the sums is known by it.
create table report_facts (
  workspace_id uuid not null default current_workspace(),
  build integer not null,
  kind text collate "C" not null check (kind in ('message', 'reply', 'created', 'resolved', 'reopened', 'parked')),
  -- Of a message itself; of a conversation that was created its id; of all others the event's.
  id uuid not null,
  at timestamptz(3) not null,
  conversation_id uuid,
  inbox_id uuid not null,
  channel_id uuid not null,
  post_id uuid,
  -- Who gets the credit: of a reply and a resolution; of a message, of the answer to it.
  team_id uuid,
  user_id uuid,
  tag_ids uuid[] not null,
  -- Of a message what became of it, of a reply who wrote it.
  outcome text collate "C" not null default '',
  reason text collate "C" not null default '',
  answer_id uuid,
  answered_at timestamptz(3),
  -- From when its writer began to wait to the answer, where the message was the first of what that answered of them.
  wait_ms bigint,
  network_lag_ms bigint,
  ingest_lag_ms bigint,
  -- How often a person answered a customer in a conversation that was created.
  turns integer,
  -- The same for replies that say the same.
  fingerprint text collate "C",
  primary key (workspace_id, build, kind, id)
);
create index report_facts_by_time on report_facts (workspace_id, build, kind, at, id);
create index report_facts_answers on report_facts (workspace_id, build, answered_at, id) where wait_ms is not null;
create index report_facts_by_answer on report_facts (workspace_id, build, answer_id) where answer_id is not null;
create index report_facts_alike on report_facts (workspace_id, build, at) include (fingerprint, inbox_id, channel_id, post_id)
  where kind = 'reply' and outcome <> 'program';
create index report_facts_of_conversation on report_facts (workspace_id, build, conversation_id)
  where kind in ('created', 'resolved', 'reopened');
call isolate_by_workspace('report_facts');

-- The sums. What a measure does not know of is the id of zeros, or empty: a key may not hold nothing.
create table report_sums (
  workspace_id uuid not null default current_workspace(),
  build integer not null,
  measure text collate "C" not null,
  -- Of the quarter of an hour that begins at `at`, or of the hour: each thing is in one of both. Quarters are read only where a
  -- period begins within an hour.
  minutes smallint not null,
  -- What has tags is counted once whatever they are, and once more for each of them.
  tagged boolean not null,
  at timestamptz(3) not null,
  inbox_id uuid not null,
  channel_id uuid not null,
  post_id uuid not null,
  team_id uuid not null,
  user_id uuid not null,
  tag_id uuid not null,
  outcome text collate "C" not null,
  reason text collate "C" not null,
  -- Of times and numbers between which values they lie; -1 of what is only counted.
  bucket smallint not null,
  count integer not null,
  total bigint not null,
  -- With the numbers in it a report reads this and not the table, whose rows lie among those of all other measures.
  primary key (workspace_id, build, measure, minutes, tagged, at, inbox_id, channel_id, post_id, team_id, user_id, tag_id, outcome, reason, bucket)
    include (count, total)
);
create index report_sums_empty on report_sums (workspace_id, build) where count = 0;
call isolate_by_workspace('report_sums');
