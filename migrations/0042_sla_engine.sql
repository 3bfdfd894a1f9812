-- Promises beyond the response to a customer: policies are tried in order, the first whose conditions hold promises, and an
-- inbox names the one for when none does. A clock may stand still, warns before it falls due, and is the conversation's
-- where no single customer waits for what it measures.
set local lock_timeout = '2s';

alter table sla_policies no force row level security;
alter table sla_policy_versions no force row level security;
alter table sla_policies
  add column position integer not null default 100,
  add column enabled boolean not null default true;
alter table sla_policy_versions
  add column name text,
  add column position integer not null default 100,
  add column enabled boolean not null default true,
  -- Null: it promises only where an inbox names it.
  add column conditions jsonb,
  add column targets jsonb,
  add column created_by_type text,
  add column created_by_id uuid;
update sla_policy_versions v set
  name = (select p.name from sla_policies p where p.workspace_id = v.workspace_id and p.id = v.policy_id),
  targets = jsonb_strip_nulls(jsonb_build_object(
    'first_response', case when first_response_seconds is not null
      then jsonb_build_object('seconds', first_response_seconds) end,
    'next_response', case when next_response_seconds is not null
      then jsonb_build_object('seconds', next_response_seconds) end));
alter table sla_policies force row level security;
alter table sla_policy_versions force row level security;
alter table sla_policy_versions
  alter column name set not null,
  alter column targets set not null,
  drop column first_response_seconds,
  drop column next_response_seconds;

alter table sla_clocks
  alter column contact_id drop not null,
  alter column wait_id drop not null,
  drop constraint sla_clocks_metric_check,
  add check (metric in ('first_response', 'next_response', 'resolution', 'assignment', 'team_ownership')),
  -- A wait belongs to one customer; everything else to the conversation.
  add check ((wait_id is null) = (contact_id is null) and
    (wait_id is not null) = (metric in ('first_response', 'next_response'))) not valid,
  drop constraint sla_clocks_state_check,
  add check (state in ('running', 'paused', 'fulfilled', 'cancelled')),
  -- Open time that it had counted when it went on; null: it has run since it started.
  add column counted_ms bigint not null default 0,
  add column running_since timestamptz(3),
  add column paused_at timestamptz(3),
  -- How long it stood still in all, in calendar time.
  add column paused_ms bigint not null default 0,
  -- The priority whose target it has.
  add column priority text not null default 'normal',
  -- Why it falls due when it does, where that is not for its start: its policy or its conversation's priority was changed.
  add column cause text,
  -- Warnings that have not been told, in seconds before it falls due, and when the next one is.
  add column warnings integer[] not null default '{}',
  add column warn_at timestamptz(3);
alter table sla_clocks drop constraint sla_clocks_workspace_id_conversation_id_contact_id_metric_o_key;
-- One that another policy took over from has left its place to it.
create unique index sla_clocks_ordinal on sla_clocks (workspace_id, conversation_id, contact_id, metric, ordinal)
  nulls not distinct where cancelled_reason is distinct from 'policy_removed';
-- One of a kind at a time.
create unique index sla_clocks_of_conversation on sla_clocks (workspace_id, conversation_id, metric)
  where wait_id is null and state in ('running', 'paused');
create index sla_clocks_warn on sla_clocks (warn_at) where state = 'running' and breached_at is null;
grant select (warn_at) on sla_clocks to parley_system;
-- What runs out next, in every inbox: what a lead looks at all day.
create index sla_clocks_at_risk on sla_clocks (workspace_id, due_at, id) where state = 'running' and breached_at is null;
create index sla_clocks_breaches on sla_clocks (workspace_id, breached_at, id) where breached_at is not null;
