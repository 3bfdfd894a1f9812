-- What leaves Parley: replies that can be held, taken back, cut in parts and decided by a person; what is done to a
-- message besides answering it; and whether this database is the one that queued them.
set local lock_timeout = '2s';

-- Which database a workspace's replies were queued in. A new row when it turns out to be another than the one it was:
-- restored from a backup, or promoted from a replica. What had been queued before then may have been sent meanwhile, and
-- is not sent by itself.
create table send_epochs (
  workspace_id uuid not null default current_workspace(),
  epoch integer not null,
  origin text not null,
  began_at timestamptz(3) not null default clock_timestamp(),
  primary key (workspace_id, epoch),
  unique (workspace_id, origin)
);
call isolate_by_workspace('send_epochs');

-- Where these tables live: the server, the line of its history, the database, and the table itself, which a restored
-- dump makes anew. A server that does not tell leaves its part out.
create function database_origin() returns text
  language plpgsql stable set search_path = public, pg_catalog as $$
declare
  server text := '';
begin
  begin
    server := (select system_identifier from pg_control_system())::text || '.' || left(pg_walfile_name(pg_current_wal_lsn()), 8);
  exception when insufficient_privilege or undefined_function or feature_not_supported then
    null;
  end;
  return concat_ws('/', server, (select oid from pg_database where datname = current_database()), 'send_epochs'::regclass::oid);
end
$$;

-- The epoch that replies are queued in now; begins a new one when the database is not where the last one began.
create function current_send_epoch() returns integer
  language plpgsql set search_path = public, pg_catalog as $$
declare
  here text := database_origin();
  latest send_epochs;
begin
  select * into latest from send_epochs order by epoch desc limit 1;
  if latest.origin = here then return latest.epoch; end if;
  -- One at a time; whoever waited finds what the other one has begun.
  perform pg_advisory_xact_lock(hashtextextended('send_epoch:' || current_workspace(), 0));
  select * into latest from send_epochs order by epoch desc limit 1;
  if latest.origin is distinct from here then
    insert into send_epochs (epoch, origin) values (coalesce(latest.epoch, 0) + 1, here) returning * into latest;
  end if;
  return latest.epoch;
end
$$;
revoke execute on function database_origin, current_send_epoch from public;
grant execute on function database_origin, current_send_epoch to parley_app;

-- Rows written before are within the new bounds: the checks need not read them.
alter table messages
  drop constraint messages_visibility_check,
  add constraint messages_visibility_check
    check (visibility in ('public', 'unlisted', 'followers', 'private')) not valid,
  drop constraint messages_state_check,
  add constraint messages_state_check check
    (state in ('received', 'stored', 'queued', 'sending', 'sent', 'rejected', 'unknown', 'cancelled')) not valid,
  -- Until then its author can take it back; a worker does not look at it before.
  add column hold_until timestamptz(3),
  -- The database that queued it.
  add column send_epoch integer,
  -- A long reply in several posts: the first of them, and which this is (1 is the first).
  add column part_of uuid,
  add column part_number smallint,
  -- What we did to it on its network.
  add column liked_at timestamptz(3),
  add column hidden_at timestamptz(3),
  -- A program wrote it, an out-of-office note or a newsletter: nobody waits for an answer.
  add column automatic boolean not null default false,
  -- What it repeats of earlier messages, folded away from the body.
  add column body_quoted text,
  -- Whether the network vouches for the author; null where it says nothing about that.
  add column sender_verified boolean;
create index messages_by_part on messages (workspace_id, part_of, part_number) where part_of is not null;

alter table channels
  -- What the network told of itself when the account was connected: its limits, its software.
  add column network_facts jsonb not null default '{}',
  -- Calls in a row that came to nothing, and until when no more are tried: a network that is down is not hammered.
  add column send_failures integer not null default 0,
  add column send_resume_at timestamptz(3),
  -- While one worker renews the tokens, others wait for what it saves.
  add column session_lease_until timestamptz(3),
  -- A reply that waited longer than this while the channel could not send is worth a warning when it goes on.
  add column old_reply_seconds integer not null default 86400 check (old_reply_seconds between 60 and 31536000);

-- Likes, hiding, deleting, editing: intents like replies, with the same states and the same attempts.
create table message_actions (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  -- What it is done to.
  message_id uuid not null,
  conversation_id uuid not null,
  channel_id uuid not null,
  verb text not null check (verb in ('like', 'unlike', 'hide', 'unhide', 'delete', 'edit')),
  -- The new text of an edit.
  body text,
  state text not null check (state in ('queued', 'sending', 'sent', 'rejected', 'unknown', 'cancelled')),
  state_reason text,
  actor_type text not null check (actor_type in ('user', 'api_key')),
  actor_id uuid not null,
  send_epoch integer not null,
  hold_until timestamptz(3),
  created_at timestamptz(3) not null,
  next_attempt_at timestamptz(3),
  done_at timestamptz(3),
  primary key (workspace_id, id),
  foreign key (workspace_id, message_id) references messages (workspace_id, id),
  foreign key (workspace_id, conversation_id) references conversations (workspace_id, id)
);
create unique index message_actions_by_message on message_actions (workspace_id, message_id, created_at);
create index message_actions_to_attempt on message_actions (next_attempt_at) where next_attempt_at is not null;
call isolate_by_workspace('message_actions');
create policy system_lookup on message_actions for select to parley_system using (next_attempt_at is not null);
grant select (workspace_id, id, message_id, next_attempt_at) on message_actions to parley_system;

-- An attempt is of a reply or of an action.
alter table send_attempts
  add column action_id uuid,
  add column intent_id uuid not null generated always as (coalesce(action_id, message_id)) stored,
  drop constraint send_attempts_pkey,
  add primary key (workspace_id, intent_id, number),
  add foreign key (workspace_id, action_id) references message_actions (workspace_id, id);
