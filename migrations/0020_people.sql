-- People: how they get in, what they may see, and who they are besides a name. A password, a second factor and sessions for
-- those who sign in; members and teams for the inboxes that are not everybody's; keys that are limited to some inboxes.
set local lock_timeout = '2s';

alter table users
  add column status text not null default 'active' check (status in ('active', 'disabled')),
  add column password_hash text,
  add column password_changed_at timestamptz(3),
  -- A session belongs to one epoch: raising it ends all that were opened before.
  add column session_epoch integer not null default 1,
  add column totp_sealed bytea,
  -- Enrolled and not confirmed yet: what is in use stays until then.
  add column totp_pending_sealed bytea,
  add column totp_confirmed_at timestamptz(3),
  -- The time step of the last code that was taken: no code is taken twice.
  add column totp_last_step bigint,
  add column languages text[] not null default '{}',
  add column skills text[] not null default '{}',
  add column capacity integer check (capacity > 0),
  add column availability text not null default 'available'
    check (availability in ('available', 'away', 'out_of_office')),
  add column out_of_office_until timestamptz(3);
-- Who signs in names an address, and not yet a workspace.
create index users_by_email on users (lower(email)) where email is not null;

-- Open to all until somebody is made a member. It does not open again by itself: an inbox whose last member leaves would
-- otherwise be read by everybody.
alter table inboxes add column open_to_all boolean not null default true;

create table teams (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  id uuid not null,
  name text not null,
  created_at timestamptz(3) not null,
  primary key (workspace_id, id),
  unique (workspace_id, name)
);
call isolate_by_workspace('teams');

create table team_members (
  workspace_id uuid not null default current_workspace(),
  team_id uuid not null,
  user_id uuid not null,
  added_at timestamptz(3) not null,
  primary key (workspace_id, team_id, user_id),
  foreign key (workspace_id, team_id) references teams (workspace_id, id) on delete cascade,
  foreign key (workspace_id, user_id) references users (workspace_id, id)
);
create index team_members_by_user on team_members (workspace_id, user_id);
call isolate_by_workspace('team_members');

create table inbox_members (
  workspace_id uuid not null default current_workspace(),
  inbox_id uuid not null,
  user_id uuid not null,
  added_at timestamptz(3) not null,
  primary key (workspace_id, inbox_id, user_id),
  foreign key (workspace_id, inbox_id) references inboxes (workspace_id, id) on delete cascade,
  foreign key (workspace_id, user_id) references users (workspace_id, id)
);
create index inbox_members_by_user on inbox_members (workspace_id, user_id);
call isolate_by_workspace('inbox_members');

create table inbox_teams (
  workspace_id uuid not null default current_workspace(),
  inbox_id uuid not null,
  team_id uuid not null,
  added_at timestamptz(3) not null,
  primary key (workspace_id, inbox_id, team_id),
  foreign key (workspace_id, inbox_id) references inboxes (workspace_id, id) on delete cascade,
  foreign key (workspace_id, team_id) references teams (workspace_id, id) on delete cascade
);
create index inbox_teams_by_team on inbox_teams (workspace_id, team_id);
call isolate_by_workspace('inbox_teams');

-- Null: not limited. An inbox that is gone stays in the list, so that a limit never turns into none.
alter table api_keys
  add column inbox_ids uuid[],
  add column last_used_at timestamptz(3);

-- Tokens below are 32 random bytes, shown once and stored as their SHA-256, as keys are.
create table sessions (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  user_id uuid not null,
  token_hash bytea not null,
  epoch integer not null,
  -- What the browser calls itself, cut short: for its owner to tell one session from another.
  user_agent text,
  created_at timestamptz(3) not null,
  last_seen_at timestamptz(3) not null,
  idle_seconds integer not null,
  expires_at timestamptz(3) not null,
  revoked_at timestamptz(3),
  primary key (workspace_id, id),
  unique (workspace_id, token_hash),
  foreign key (workspace_id, user_id) references users (workspace_id, id)
);
create index sessions_by_token on sessions (token_hash);
create index sessions_by_user on sessions (workspace_id, user_id);
create index sessions_by_end on sessions (workspace_id, expires_at);
call isolate_by_workspace('sessions');

create table invitations (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  id uuid not null,
  email text not null,
  role text not null check (role in ('agent', 'lead', 'admin')),
  inbox_ids uuid[] not null default '{}',
  team_ids uuid[] not null default '{}',
  token_hash bytea not null,
  invited_by_type text not null check (invited_by_type in ('user', 'api_key')),
  invited_by_id uuid not null,
  created_at timestamptz(3) not null,
  expires_at timestamptz(3) not null,
  revoked_at timestamptz(3),
  accepted_at timestamptz(3),
  user_id uuid,
  primary key (workspace_id, id),
  unique (workspace_id, token_hash),
  foreign key (workspace_id, user_id) references users (workspace_id, id)
);
create index invitations_by_token on invitations (token_hash);
call isolate_by_workspace('invitations');

create table password_resets (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  user_id uuid not null,
  token_hash bytea not null,
  created_at timestamptz(3) not null,
  expires_at timestamptz(3) not null,
  used_at timestamptz(3),
  primary key (workspace_id, id),
  unique (workspace_id, token_hash),
  foreign key (workspace_id, user_id) references users (workspace_id, id)
);
create index password_resets_by_token on password_resets (token_hash);
create index password_resets_by_user on password_resets (workspace_id, user_id);
call isolate_by_workspace('password_resets');

create table recovery_codes (
  workspace_id uuid not null default current_workspace(),
  user_id uuid not null,
  code_hash bytea not null,
  used_at timestamptz(3),
  primary key (workspace_id, user_id, code_hash),
  foreign key (workspace_id, user_id) references users (workspace_id, id)
);
call isolate_by_workspace('recovery_codes');

-- How often somebody failed to sign in, by account and by address, both hashed. Who fails may name no workspace that there
-- is, and an address belongs to none: these rows are kept under the nil UUID, which names nothing else.
create table login_attempts (
  workspace_id uuid not null default current_workspace(),
  key bytea not null,
  failures integer not null,
  blocked_until timestamptz(3),
  last_at timestamptz(3) not null,
  primary key (workspace_id, key)
);
create index login_attempts_by_age on login_attempts (workspace_id, last_at);
call isolate_by_workspace('login_attempts');

-- What people did: few beside what customers and the system do, and read from the newest on.
create index events_by_people on events (workspace_id, at, seq)
  where actor_type in ('user', 'api_key') or type = 'login.failed';

-- What has to be known before a workspace is: who calls, and whose address or token it is.
do $$
declare
  name text;
begin
  foreach name in array array['users', 'inboxes', 'inbox_members', 'inbox_teams', 'team_members', 'sessions', 'invitations',
    'password_resets'] loop
    execute format('create policy system_lookup on %I for select to parley_system using (true)', name);
  end loop;
end
$$;
grant select (name) on workspaces to parley_system;
grant select (workspace_id, id, email, role, status, session_epoch) on users to parley_system;
grant select (workspace_id, id, open_to_all) on inboxes to parley_system;
grant select (workspace_id, inbox_id, user_id) on inbox_members to parley_system;
grant select (workspace_id, inbox_id, team_id) on inbox_teams to parley_system;
grant select (workspace_id, team_id, user_id) on team_members to parley_system;
grant select (inbox_ids, last_used_at) on api_keys to parley_system;
grant select (workspace_id, id, user_id, token_hash, epoch, last_seen_at, idle_seconds, expires_at, revoked_at)
  on sessions to parley_system;
grant select (workspace_id, id, token_hash) on invitations to parley_system;
grant select (workspace_id, id, token_hash) on password_resets to parley_system;

-- The inboxes that somebody sees; null: all there are. `limits` are the key's own, null: none. In PL/pgSQL, which keeps the
-- plans of its queries: every request asks, and planned anew each time they took 0.3 ms of 0.45.
create function inboxes_of(workspace uuid, person uuid, as_role text, limits uuid[]) returns uuid[]
  language plpgsql stable as $$
declare
  seen uuid[];
begin
  if person is not null and as_role <> 'admin'
    and exists (select from inboxes i where i.workspace_id = workspace and not i.open_to_all) then
    seen := array(
      select i.id from inboxes i where i.workspace_id = workspace and i.open_to_all
      union select m.inbox_id from inbox_members m where m.workspace_id = workspace and m.user_id = person
      union select t.inbox_id from team_members m
        join inbox_teams t on t.workspace_id = m.workspace_id and t.team_id = m.team_id
        where m.workspace_id = workspace and m.user_id = person);
  end if;
  if limits is null then
    return seen;
  elsif seen is null then
    return limits;
  end if;
  return array(select unnest(limits) intersect select unnest(seen));
end
$$;
revoke execute on function inboxes_of from public;
grant execute on function inboxes_of to parley_system;

set local role parley_system;
drop function authenticate_api_key(bytea, timestamptz);
reset role;

-- A key that acts as a person may do no more than that person may by now, and nothing once they are disabled.
create function authenticate_api_key(hash bytea, at timestamptz)
  returns table (workspace_id uuid, id uuid, role text, user_id uuid, inbox_ids uuid[], last_used_at timestamptz)
  language sql stable security definer set search_path = public
  begin atomic
    select k.workspace_id, k.id, allowed.role, k.user_id,
      inboxes_of(k.workspace_id, k.user_id, allowed.role, k.inbox_ids), k.last_used_at
    from api_keys k
    left join users u on u.workspace_id = k.workspace_id and u.id = k.user_id,
    lateral (select case
      when u.id is null or u.role = 'admin' then k.role
      when u.role = 'agent' or k.role = 'agent' then 'agent'
      else 'lead' end as role) allowed
    where k.key_hash = hash and k.revoked_at is null and (k.expires_at is null or k.expires_at > at)
      and (k.user_id is null or u.status = 'active');
  end;

create function authenticate_session(hash bytea, at timestamptz)
  returns table (workspace_id uuid, id uuid, role text, user_id uuid, inbox_ids uuid[], last_used_at timestamptz)
  language sql stable security definer set search_path = public
  begin atomic
    select s.workspace_id, s.id, u.role, s.user_id, inboxes_of(s.workspace_id, s.user_id, u.role, null), s.last_seen_at
    from sessions s
    join users u on u.workspace_id = s.workspace_id and u.id = s.user_id
    where s.token_hash = hash and s.revoked_at is null and s.expires_at > at
      and s.last_seen_at + make_interval(secs => s.idle_seconds) > at
      and s.epoch = u.session_epoch and u.status = 'active';
  end;

-- Whose address it is, in whichever workspaces. A few are more than anybody has.
create function find_logins(address text)
  returns table (workspace_id uuid, user_id uuid, workspace_name text)
  language sql stable security definer set search_path = public
  begin atomic
    select u.workspace_id, u.id, w.name from users u join workspaces w on w.id = u.workspace_id
    where lower(u.email) = lower(address) and u.email is not null
    order by u.workspace_id limit 100;
  end;

create function find_invitation(hash bytea)
  returns table (workspace_id uuid, id uuid)
  language sql stable security definer set search_path = public
  begin atomic
    select i.workspace_id, i.id from invitations i where i.token_hash = hash;
  end;

create function find_password_reset(hash bytea)
  returns table (workspace_id uuid, id uuid)
  language sql stable security definer set search_path = public
  begin atomic
    select r.workspace_id, r.id from password_resets r where r.token_hash = hash;
  end;

revoke execute on function authenticate_api_key, authenticate_session, find_logins, find_invitation, find_password_reset
  from public;
-- A function's new owner needs CREATE on its schema at that moment only.
grant create on schema public to parley_system;
alter function authenticate_api_key owner to parley_system;
alter function authenticate_session owner to parley_system;
alter function find_logins owner to parley_system;
alter function find_invitation owner to parley_system;
alter function find_password_reset owner to parley_system;
revoke create on schema public from parley_system;
set local role parley_system;
grant execute on function authenticate_api_key, authenticate_session, find_logins, find_invitation, find_password_reset
  to session_user;
reset role;
