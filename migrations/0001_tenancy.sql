-- Tenancy: who may see what is decided by Postgres under every query, not by remembering a `where`.
--
-- Two roles that own nothing. Every transaction takes one of them locally (SET LOCAL ROLE):
--   parley_app     works inside one workspace, the one named by the local setting parley.workspace_id
--   parley_system  finds due work across workspaces; it may read a few columns of a few tables and write nothing
-- FORCE makes the policies hold for the tables' owner too.
set local lock_timeout = '2s';

do $$
begin
  if not exists (select from pg_roles where rolname = 'parley_app') then
    create role parley_app nologin;
  end if;
  if not exists (select from pg_roles where rolname = 'parley_system') then
    create role parley_system nologin;
  end if;
end
$$;
-- The tables' owner may take the roles and has none of their rights by itself: without a role it sees no row.
-- PostgreSQL 15 cannot say so here; there, make the owner a NOINHERIT role.
do $$
begin
  if current_setting('server_version_num')::int >= 160000 then
    -- As text: PostgreSQL 15 would not even read it.
    execute 'grant parley_app, parley_system to current_user with inherit false, set true';
  else
    grant parley_app, parley_system to current_user;
  end if;
end
$$;
grant usage on schema public to parley_app, parley_system;

-- The setting is '' and not null after a SET LOCAL has ended, hence nullif: no workspace means no rows.
create function current_workspace() returns uuid
  language sql stable parallel safe
  return nullif(current_setting('parley.workspace_id', true), '')::uuid;

create procedure isolate_by_workspace(target regclass)
  language plpgsql as $$
begin
  execute format('alter table %s enable row level security', target);
  execute format('alter table %s force row level security', target);
  execute format(
    'create policy workspace_isolation on %s to parley_app
       using (workspace_id = current_workspace()) with check (workspace_id = current_workspace())', target);
  execute format('grant select, insert, update, delete on %s to parley_app', target);
end
$$;

-- The one table whose key is the workspace itself.
create table workspaces (
  id uuid primary key,
  name text not null,
  next_conversation_number bigint not null default 1,
  created_at timestamptz(3) not null
);
alter table workspaces enable row level security;
alter table workspaces force row level security;
create policy workspace_isolation on workspaces to parley_app
  using (id = current_workspace()) with check (id = current_workspace());
grant select, insert, update on workspaces to parley_app;
create policy system_lookup on workspaces for select to parley_system using (true);
grant select (id) on workspaces to parley_system;

create table users (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  id uuid not null,
  name text not null,
  email text,
  role text not null check (role in ('agent', 'lead', 'admin')),
  created_at timestamptz(3) not null,
  primary key (workspace_id, id)
);
create unique index users_email on users (workspace_id, lower(email));
call isolate_by_workspace('users');

-- A key is 32 random bytes, shown once and stored as its SHA-256: a random that long needs no slow hash.
-- With user_id it acts as that person, without it as an integration.
create table api_keys (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  id uuid not null,
  name text not null,
  role text not null check (role in ('agent', 'lead', 'admin')),
  user_id uuid,
  key_hash bytea not null,
  key_hint text not null,
  created_at timestamptz(3) not null,
  expires_at timestamptz(3),
  revoked_at timestamptz(3),
  primary key (workspace_id, id),
  unique (workspace_id, key_hash),
  foreign key (workspace_id, user_id) references users (workspace_id, id)
);
create index api_keys_by_hash on api_keys (key_hash);
call isolate_by_workspace('api_keys');
create policy system_lookup on api_keys for select to parley_system using (true);
grant select (workspace_id, id, role, user_id, key_hash, expires_at, revoked_at) on api_keys to parley_system;

-- Runs as parley_system whoever calls it, so that authentication is one round trip outside any workspace.
create function authenticate_api_key(hash bytea, at timestamptz)
  returns table (workspace_id uuid, id uuid, role text, user_id uuid)
  language sql stable security definer set search_path = public
  begin atomic
    select k.workspace_id, k.id, k.role, k.user_id
    from api_keys k
    where k.key_hash = hash and k.revoked_at is null and (k.expires_at is null or k.expires_at > at);
  end;
revoke execute on function authenticate_api_key from public;
-- A function's new owner needs CREATE on its schema at that moment only.
grant create on schema public to parley_system;
alter function authenticate_api_key owner to parley_system;
revoke create on schema public from parley_system;
set local role parley_system;
grant execute on function authenticate_api_key to session_user;
reset role;

-- Written in the transaction of the effect: either both are there or neither is.
create table idempotency_keys (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  credential_id uuid not null,
  route text not null,
  key text not null,
  fingerprint bytea not null,
  status smallint not null,
  headers json not null,
  body text not null,
  created_at timestamptz(3) not null,
  primary key (workspace_id, credential_id, route, key)
);
create index idempotency_keys_by_age on idempotency_keys (workspace_id, created_at);
call isolate_by_workspace('idempotency_keys');
