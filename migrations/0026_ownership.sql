-- Who owns a conversation, for how long, and why they.
set local lock_timeout = '2s';

alter table inboxes
  -- How much open time may pass without work before a claim goes back to the queue; null: a claim never lapses.
  add column claim_lease_seconds integer default 900 check (claim_lease_seconds > 0),
  -- How new conversations find an owner. Read by people and by one worker at a time, never searched.
  add column routing jsonb not null default '{"mode": "manual", "match_skills": false, "required_skills": [],
    "tag_skills": {}, "match_language": false, "returning_customer": false}';

-- When the claim of its owner lapses; null: it was not claimed, or the claim does not lapse.
alter table conversations add column claim_expires_at timestamptz(3);
create index conversations_claims on conversations (claim_expires_at) where claim_expires_at is not null;
-- What waits for an owner, the most urgent first; to the letter as conversations_by_urgency has it. What is owned would
-- stand in front of it there, and all of that would be read through.
create index conversations_queue on conversations (
  workspace_id, inbox_id,
  (case when next_due_at is null then 'infinity' else next_due_at end),
  (case when waiting_since is null then 'infinity' else waiting_since end), id)
  where status = 'open' and assignee_id is null;

create policy system_claims on conversations for select to parley_system using (claim_expires_at is not null);
grant select (claim_expires_at) on conversations to parley_system;
grant select (routing) on inboxes to parley_system;

-- Null: from a time when it was not kept.
alter table assignments add column reason text;
alter table sla_clocks add column team_id uuid;

-- Why an automatic assignment went to whom it went.
create table assignment_decisions (
  workspace_id uuid not null default current_workspace(),
  assignment_id uuid not null,
  rule text not null,
  -- Everybody who works in the inbox, as they were then: what spoke for them and what against.
  candidates jsonb not null,
  primary key (workspace_id, assignment_id),
  foreign key (workspace_id, assignment_id) references assignments (workspace_id, id) on delete cascade
);
call isolate_by_workspace('assignment_decisions');

-- Whose turn it is: who was given something the longest time ago has the lowest number; who never was has no row.
create table routing_turns (
  workspace_id uuid not null default current_workspace(),
  inbox_id uuid not null,
  user_id uuid not null,
  turn bigint not null,
  primary key (workspace_id, inbox_id, user_id),
  foreign key (workspace_id, inbox_id) references inboxes (workspace_id, id) on delete cascade,
  foreign key (workspace_id, user_id) references users (workspace_id, id)
);
call isolate_by_workspace('routing_turns');
