-- One customer in many communities. A contact is a person; merging two of them moves no row: the one that is merged
-- stands for the other from then on, and stands for itself again when that is undone. What was written, waited for and
-- promised keeps the contact it was written as.
set local lock_timeout = '2s';

alter table contacts
  -- Given by a person of the team: what the networks call them does not replace it.
  add column name_given boolean not null default false,
  -- BCP 47.
  add column language text,
  add column do_not_contact boolean not null default false,
  add column attributes jsonb not null default '{}',
  -- Who this is, of those it was merged with: never one that is merged itself. Null: itself.
  add column merged_into uuid,
  add column erased_at timestamptz(3),
  add column version integer not null default 1,
  -- Compared byte by byte: row-level security lets an index answer for such comparisons, and for no pattern.
  add column name_key text collate "C" not null generated always as (left(lower(name), 100)) stored,
  add constraint contacts_merged_into_other check (merged_into <> id),
  add foreign key (workspace_id, merged_into) references contacts (workspace_id, id);
create index contacts_by_name on contacts (workspace_id, name_key, id);
create index contacts_merged on contacts (workspace_id, merged_into) where merged_into is not null;

alter table contact_identities
  add column handle_key text collate "C" generated always as (left(lower(handle), 100)) stored;
create index contact_identities_by_handle on contact_identities (workspace_id, handle_key) where handle_key is not null;

create table contact_notes (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  contact_id uuid not null,
  body text not null,
  author_type text not null check (author_type in ('user', 'api_key')),
  author_id uuid not null,
  version integer not null default 1,
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null,
  primary key (workspace_id, id),
  foreign key (workspace_id, contact_id) references contacts (workspace_id, id)
);
create index contact_notes_by_contact on contact_notes (workspace_id, contact_id, id);
call isolate_by_workspace('contact_notes');

-- Every merge there was. Those that are not undone are a forest; contacts.merged_into is the root above each contact.
create table contact_links (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  into_id uuid not null,
  from_id uuid not null,
  merged_at timestamptz(3) not null,
  merged_by_type text not null check (merged_by_type in ('user', 'api_key')),
  merged_by_id uuid not null,
  unmerged_at timestamptz(3),
  unmerged_by_type text check (unmerged_by_type in ('user', 'api_key')),
  unmerged_by_id uuid,
  primary key (workspace_id, id),
  foreign key (workspace_id, into_id) references contacts (workspace_id, id),
  foreign key (workspace_id, from_id) references contacts (workspace_id, id)
);
create unique index contact_links_active on contact_links (workspace_id, from_id) where unmerged_at is null;
create index contact_links_by_target on contact_links (workspace_id, into_id, id);
call isolate_by_workspace('contact_links');

-- Where a contact has spoken, in whichever conversation of whichever channel.
create index messages_by_contact on messages (workspace_id, contact_id, conversation_id, id) where contact_id is not null;
create index conversations_by_contact on conversations (workspace_id, contact_id, last_message_at desc, id desc)
  where contact_id is not null;

-- What was erased is known again, so that a second delivery does not bring it back, by a hash of its network's id. The
-- key is the workspace's own; until something is erased there is none.
create table erasure_keys (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  key bytea not null check (length(key) = 32),
  primary key (workspace_id)
);
call isolate_by_workspace('erasure_keys');

-- SHA-256 of the key, what kind of id it is and where, and the id.
create table erased_ids (
  workspace_id uuid not null default current_workspace(),
  digest bytea not null,
  erased_at timestamptz(3) not null,
  primary key (workspace_id, digest)
);
call isolate_by_workspace('erased_ids');

-- One for each contact that is erased or was: how far it is, and afterwards the receipt.
create table contact_erasures (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  contact_id uuid not null,
  state text not null default 'running' check (state in ('running', 'done')),
  step text not null,
  -- Where the step goes on.
  position json,
  -- How many of what were erased.
  counts jsonb not null default '{}',
  -- The names and accounts that it looks for; null once it is done.
  looking_for json,
  requested_at timestamptz(3) not null,
  requested_by_type text not null check (requested_by_type in ('user', 'api_key')),
  requested_by_id uuid not null,
  finished_at timestamptz(3),
  primary key (workspace_id, id),
  unique (workspace_id, contact_id),
  foreign key (workspace_id, contact_id) references contacts (workspace_id, id),
  check ((state = 'done') = (looking_for is null))
);
create index contact_erasures_running on contact_erasures (workspace_id, id) where state = 'running';
call isolate_by_workspace('contact_erasures');
create policy system_lookup on contact_erasures for select to parley_system using (state = 'running');
grant select (workspace_id, id, state) on contact_erasures to parley_system;

-- The log only grows, but for this: a text in it may become "[erased]".
-- Compared token by token, as they stand: json may hold escapes that Postgres refuses to decode. A token is a key with its
-- colon, a string, or any other character but white space.
create function is_redaction(before json, after json) returns boolean
  language sql immutable as $$
  select (before is null) = (after is null) and not exists (
    select from regexp_matches(before::text, '"(?:[^"\\]|\\.)*"\s*:|"(?:[^"\\]|\\.)*"|[^"\s]', 'g')
        with ordinality b (match, place)
      full join regexp_matches(after::text, '"(?:[^"\\]|\\.)*"\s*:|"(?:[^"\\]|\\.)*"|[^"\s]', 'g')
        with ordinality a (match, place) on a.place = b.place
    where a.match[1] is distinct from b.match[1]
      and (b.match[1] like '"%"' and a.match[1] = '"[erased]"') is not true)
$$;
create function refuse_rewriting() returns trigger
  language plpgsql as $$
begin
  if is_redaction(old.data, new.data) and is_redaction(old.previous, new.previous) then return new; end if;
  raise exception 'the log only grows' using errcode = 'insufficient_privilege';
end
$$;
create trigger events_redacted before update on events for each row execute function refuse_rewriting();
grant update (data, previous) on events to parley_app;

-- As before, and what was erased is not stored again: it counts as a duplicate.
create or replace function accept_inbound_events(
  known_ids uuid[], known_versions text[],
  ids uuid[], channel_ids uuid[], dedup_keys text[], lanes smallint[], sources text[], received_ats timestamptz[],
  payloads text[],
  out stored uuid[], out current_channels uuid[])
  language plpgsql as $$
declare
  secret bytea := (select k.key from erasure_keys k);
begin
  select coalesce(array_agg(c.id), '{}') into current_channels
    from unnest(known_ids, known_versions) as known (id, version) join channels c on c.id = known.id
    where c.status <> 'deleted' and coalesce(known.version, c.xmin::text) = c.xmin::text;
  with inserted as (
    insert into inbound_events (id, channel_id, dedup_key, lane, source, received_at)
    select e.* from unnest(ids, channel_ids, dedup_keys, lanes, sources, received_ats)
      as e (id, channel_id, dedup_key, lane, source, received_at)
    where e.channel_id = any (current_channels)
      and (secret is null or not exists (select from erased_ids x
        where x.digest = sha256(secret || convert_to('event:' || e.channel_id || ':' || e.dedup_key, 'UTF8'))))
    on conflict (workspace_id, channel_id, dedup_key) do nothing
    returning id)
  select coalesce(array_agg(inserted.id), '{}') into stored from inserted;
  if cardinality(stored) = cardinality(ids) then
    insert into inbound_payloads (id, payload) select e.id, e.payload::json from unnest(ids, payloads) as e (id, payload);
    return;
  end if;
  -- "is true" lets the ids be hashed; joined, each would be compared with each.
  insert into inbound_payloads (id, payload)
    select e.id, e.payload::json from unnest(ids, payloads) as e (id, payload)
    where (e.id in (select unnest(stored))) is true;
  -- The id of an event that was not stored is free to be that of its count.
  insert into inbound_duplicates (id, channel_id, source, received_at, count)
    select (array_agg(e.id))[1], e.channel_id, e.source, min(e.received_at), count(*)
    from unnest(ids, channel_ids, sources, received_ats) as e (id, channel_id, source, received_at)
    where e.channel_id = any (current_channels) and (e.id in (select unnest(stored))) is not true
    group by e.channel_id, e.source;
end
$$;

-- What a workspace keeps of a customer, as a file for them. The bytes lie in the blob store until they expire.
create table contact_exports (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  contact_id uuid not null,
  state text not null default 'running' check (state in ('running', 'done', 'failed', 'expired')),
  reason text,
  blob_key text collate "C",
  byte_size bigint,
  attempts smallint not null default 0,
  -- When a worker should write it: while one is at it, when another one may take over.
  next_attempt_at timestamptz(3),
  requested_at timestamptz(3) not null,
  requested_by_type text not null check (requested_by_type in ('user', 'api_key')),
  requested_by_id uuid not null,
  finished_at timestamptz(3),
  expires_at timestamptz(3),
  primary key (workspace_id, id),
  foreign key (workspace_id, contact_id) references contacts (workspace_id, id)
);
create index contact_exports_by_contact on contact_exports (workspace_id, contact_id, id);
create index contact_exports_by_blob on contact_exports (workspace_id, blob_key) where blob_key is not null;
create index contact_exports_due on contact_exports (next_attempt_at) where next_attempt_at is not null;
call isolate_by_workspace('contact_exports');
create policy system_lookup on contact_exports for select to parley_system using (next_attempt_at is not null);
grant select (workspace_id, id, next_attempt_at) on contact_exports to parley_system;
