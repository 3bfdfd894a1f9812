-- The ledger in two parts. inbound_events is narrow: what came, when, and what became of it; its key makes a second
-- delivery harmless for as long as the row is kept. inbound_payloads is wide, never updated and partitioned by day, so
-- that old payloads are dropped and not deleted. An event's id is a UUIDv7 of the time it was received: the partitions
-- are ranges of ids.
set local lock_timeout = '2s';

create table inbound_payloads (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  -- json, not jsonb: jsonb refuses the NUL and lone surrogates that networks deliver.
  payload json not null,
  primary key (workspace_id, id)
) partition by range (id);
call isolate_by_workspace('inbound_payloads');
-- For days that have no partition, so that none of them can refuse an event.
create table inbound_payloads_default partition of inbound_payloads default;
-- Nobody but its owner touches a partition; everybody else goes through the table.
alter table inbound_payloads_default enable row level security;

-- FORCE would hide the rows from this migration too.
alter table inbound_events no force row level security;
alter table inbound_payloads no force row level security;
insert into inbound_payloads (workspace_id, id, payload) select workspace_id, id, payload from inbound_events;
alter table inbound_payloads force row level security;

drop index inbound_events_pending;
drop index inbound_events_parked;
alter table inbound_events
  drop constraint inbound_events_pkey,
  drop constraint inbound_events_workspace_id_channel_id_dedup_key_key,
  -- The channel was read in the transaction that inserts, and is never removed.
  drop constraint inbound_events_workspace_id_channel_id_fkey,
  drop constraint inbound_events_state_check,
  drop column payload,
  -- Ids are compared byte by byte: they are no words of a language.
  alter column dedup_key type text collate "C",
  -- Events of one thread share a lane; lanes of a busy channel are drained side by side.
  add column lane smallint not null default 0,
  add column source text not null default 'webhook' check (source in ('webhook', 'poll', 'backfill')),
  -- Of a parked event alone: it must outlive its day.
  add column parked_payload json,
  -- The network's time, known once the event is done.
  add column occurred_at timestamptz(3),
  add constraint inbound_events_state_check check (state in ('pending', 'done', 'ignored', 'parked', 'discarded')),
  add primary key (workspace_id, channel_id, dedup_key);
update inbound_events e set parked_payload = p.payload
  from inbound_payloads p where e.state = 'parked' and p.workspace_id = e.workspace_id and p.id = e.id;
alter table inbound_events force row level security;

create index inbound_events_pending on inbound_events (workspace_id, channel_id, lane, id) where state = 'pending';
create index inbound_events_parked on inbound_events (workspace_id, channel_id, id) where state = 'parked';
drop policy system_lookup on inbound_events;
create policy system_lookup on inbound_events for select to parley_system using (state in ('pending', 'parked'));
grant select (id, lane) on inbound_events to parley_system;

-- Deliveries of what the ledger had already: one row per request or page that brought some.
create table inbound_duplicates (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  channel_id uuid not null,
  source text not null check (source in ('webhook', 'poll', 'backfill')),
  received_at timestamptz(3) not null,
  count integer not null check (count > 0),
  primary key (workspace_id, id)
);
create index inbound_duplicates_by_channel on inbound_duplicates (workspace_id, channel_id, received_at);
call isolate_by_workspace('inbound_duplicates');

-- Adds events to the ledger and tells which were new, and which of their channels were of the version the caller knew
-- (null: any); events of the others are not stored. A function, so that its statements are planned once per connection:
-- a webhook of one event is a fifth as much work to store as to plan.
create function accept_inbound_events(
  known_ids uuid[], known_versions text[],
  ids uuid[], channel_ids uuid[], dedup_keys text[], lanes smallint[], sources text[], received_ats timestamptz[],
  payloads text[],
  out stored uuid[], out current_channels uuid[])
  language plpgsql as $$
begin
  select coalesce(array_agg(c.id), '{}') into current_channels
    from unnest(known_ids, known_versions) as known (id, version) join channels c on c.id = known.id
    where c.status <> 'deleted' and coalesce(known.version, c.xmin::text) = c.xmin::text;
  with inserted as (
    insert into inbound_events (id, channel_id, dedup_key, lane, source, received_at)
    select e.* from unnest(ids, channel_ids, dedup_keys, lanes, sources, received_ats)
      as e (id, channel_id, dedup_key, lane, source, received_at)
    where e.channel_id = any (current_channels)
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
revoke execute on function accept_inbound_events from public;
grant execute on function accept_inbound_events to parley_app;

-- The smallest id that an event received at that time can have.
create function first_id_at(at timestamptz) returns uuid
  language sql immutable parallel safe
  return (lpad(to_hex(floor(extract(epoch from at) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid;

-- Runs as parley_system, whose policy shows pending events of all workspaces.
create function oldest_pending_event() returns uuid
  language sql stable security definer set search_path = public
  begin atomic
    select e.id from inbound_events e where e.state = 'pending' order by e.id limit 1;
  end;

-- Makes the partitions of the days from `from_day` on, `days` of them. A day whose rows came before its partition
-- stays in the default one.
create function ensure_payload_partitions(from_day date, days integer) returns integer
  language plpgsql security definer set search_path = public as $$
declare
  made integer := 0;
  first_id uuid;
  next_id uuid;
  partition_name text;
begin
  -- One at a time: two would want the same name.
  if not pg_try_advisory_xact_lock(hashtextextended('payload_partitions', 0)) then return 0; end if;
  for i in 0 .. days - 1 loop
    partition_name := 'inbound_payloads_' || to_char(from_day + i, 'YYYYMMDD');
    continue when to_regclass(partition_name) is not null;
    first_id := first_id_at((from_day + i)::timestamp at time zone 'UTC');
    next_id := first_id_at((from_day + i + 1)::timestamp at time zone 'UTC');
    continue when exists (select from inbound_payloads_default d where d.id >= first_id and d.id < next_id);
    execute format('create table %I (like inbound_payloads including defaults including constraints including indexes)',
      partition_name);
    execute format('alter table %I enable row level security', partition_name);
    execute format('alter table inbound_payloads attach partition %I for values from (%L) to (%L)',
      partition_name, first_id, next_id);
    made := made + 1;
  end loop;
  return made;
end
$$;

-- Drops the partitions of days that were over at `before`, and empties the default one up to then; never a payload
-- that is still to be read. Returns how many partitions went.
create function drop_payload_partitions(before timestamptz) returns integer
  language plpgsql security definer set search_path = public as $$
declare
  dropped integer := 0;
  pending uuid := oldest_pending_event();
  last_id uuid := first_id_at(before);
  day_name text;
begin
  if not pg_try_advisory_xact_lock(hashtextextended('payload_partitions', 0)) then return 0; end if;
  if pending < last_id then last_id := pending; end if;
  for day_name in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'inbound_payloads'::regclass and c.relname ~ '_\d{8}$' order by c.relname
  loop
    exit when first_id_at((to_date(right(day_name, 8), 'YYYYMMDD') + 1)::timestamp at time zone 'UTC') > last_id;
    execute format('drop table %I', day_name);
    dropped := dropped + 1;
  end loop;
  delete from inbound_payloads_default d where d.id < last_id;
  return dropped;
end
$$;

revoke execute on function oldest_pending_event, ensure_payload_partitions, drop_payload_partitions from public;
-- A function's new owner needs CREATE on its schema at that moment only.
grant create on schema public to parley_system;
alter function oldest_pending_event owner to parley_system;
revoke create on schema public from parley_system;
grant execute on function ensure_payload_partitions, drop_payload_partitions to parley_system;
set local role parley_system;
grant execute on function oldest_pending_event to session_user;
reset role;
select ensure_payload_partitions((now() at time zone 'UTC')::date, 7);
