-- Full-text search. The index stands beside what it indexes and is written by a consumer of the event log, so that nothing
-- that comes in waits for it; it can be emptied and built anew from the log.
set local lock_timeout = '2s';

-- Trusted: whoever may create in the database may create them.
create extension if not exists unaccent;
create extension if not exists pg_trgm;
create extension if not exists btree_gin;

-- One for all languages: words as they are written, without accents and without regard to case.
create text search configuration parley_search (copy = simple);
alter text search configuration parley_search
  alter mapping for word, numword, hword, hword_part, hword_numpart, numhword with unaccent, simple;

-- What can be found: a message, a note, the subject of a conversation. Deleted ones have no row.
create table search_documents (
  workspace_id uuid not null default current_workspace(),
  -- Of the message; of the conversation, for a subject.
  id uuid not null,
  kind text not null check (kind in ('message', 'note', 'subject')),
  conversation_id uuid not null,
  contact_id uuid,
  at timestamptz(3) not null,
  -- The day of `at` since 1970, in UTC: what is looked up by its words is looked up some days at a time, newest first.
  day integer not null,
  has_attachments boolean not null default false,
  terms tsvector not null,
  primary key (workspace_id, id)
);
create index search_documents_newest on search_documents (workspace_id, at desc, id desc);
create index search_documents_by_conversation on search_documents (workspace_id, conversation_id, at desc, id desc);
create index search_documents_by_contact on search_documents (workspace_id, contact_id, at desc, id desc)
  where contact_id is not null;
-- Entries that are not in their place yet are read through by every search: few of them, and yet written in one go.
create index search_documents_terms on search_documents using gin (workspace_id, day, terms)
  with (gin_pending_list_limit = 1024);
call isolate_by_workspace('search_documents');

-- What a person is called: names and handles, as words and as they are written, in lower case and without accents.
create table search_contacts (
  workspace_id uuid not null default current_workspace(),
  contact_id uuid not null,
  names text not null,
  terms tsvector not null,
  primary key (workspace_id, contact_id)
);
create index search_contacts_names on search_contacts using gin (workspace_id, names gin_trgm_ops)
  with (gin_pending_list_limit = 256);
create index search_contacts_terms on search_contacts using gin (workspace_id, terms)
  with (gin_pending_list_limit = 256);
call isolate_by_workspace('search_contacts');

-- The words of a text. PostgreSQL keeps at most 1 MB of them: of a text with more, as many as fit from its beginning.
create function search_terms(body text) returns tsvector
  language plpgsql immutable parallel safe as $$
begin
  loop
    begin
      return to_tsvector('public.parley_search', body);
    exception when program_limit_exceeded then
      body := left(body, length(body) / 2);
    end;
  end loop;
end
$$;

-- Names and handles as words: what stands between the parts of a handle separates them.
create function search_words(names text) returns text
  language sql immutable parallel safe
  return translate(names, '.@_-/:+#', '        ');

/*
 * Row-level security keeps an operator that may tell of what it compares (@@ and %> among them) from being looked up in an
 * index: it is applied to every row of the workspace instead. So these look-ups run as a role of their own, which sees the
 * index of all workspaces and nothing else. They name the workspace themselves and give nothing but ids and places; what
 * stands under those ids is read under row-level security as ever.
 */
do $$
begin
  if not exists (select from pg_roles where rolname = 'parley_search') then
    create role parley_search nologin;
  end if;
  if current_setting('server_version_num')::int >= 160000 then
    -- As text: PostgreSQL 15 would not even read it.
    execute 'grant parley_search to current_user with inherit false, set true';
  else
    grant parley_search to current_user;
  end if;
end
$$;
grant usage on schema public to parley_search;
create policy search_lookup on search_documents for select to parley_search using (true);
grant select (workspace_id, id, kind, conversation_id, contact_id, at, day, has_attachments, terms)
  on search_documents to parley_search;
create policy search_lookup on search_contacts for select to parley_search using (true);
grant select (workspace_id, contact_id, names, terms) on search_contacts to parley_search;

-- Documents of these days that match, newest first, from a place on. Only the word index can serve it: without the
-- settings, a table that has just been filled would be read whole.
create function search_matches(query tsquery, from_day integer, to_day integer, before_at timestamptz, before_id uuid, most integer)
  returns table (id uuid, kind text, conversation_id uuid, contact_id uuid, at timestamptz, has_attachments boolean)
  language plpgsql stable security definer
  set search_path = public set enable_seqscan = off set enable_indexscan = off set plan_cache_mode = force_custom_plan
  as $$
declare
  days integer[] := array(select generate_series(from_day, to_day));
begin
  return query
    select d.id, d.kind, d.conversation_id, d.contact_id, d.at::timestamptz, d.has_attachments from search_documents d
    where d.workspace_id = current_workspace() and d.day = any (days) and d.terms @@ query
      and (d.at, d.id) < (before_at, before_id)
    order by d.at desc, d.id desc limit most;
end
$$;

-- Contacts with all these words in a name or a handle, in no order.
create function search_people(query tsquery, most integer) returns setof uuid
  language plpgsql stable security definer
  set search_path = public set enable_seqscan = off set enable_indexscan = off set plan_cache_mode = force_custom_plan
  as $$
begin
  return query
    select c.contact_id from search_contacts c
    where c.workspace_id = current_workspace() and c.terms @@ query limit most;
end
$$;

-- Contacts with a name or handle like this one, whatever its accents and small mistakes; how alike, from 0 to 1 000.
create function search_names(wanted text, query tsquery, most integer)
  returns table (contact_id uuid, score integer)
  language plpgsql stable security definer
  set search_path = public set enable_seqscan = off set enable_indexscan = off set plan_cache_mode = force_custom_plan
  as $$
begin
  return query
    with found as (
      (select c.contact_id, c.names from search_contacts c
        where c.workspace_id = current_workspace() and c.terms @@ query limit most)
      union
      -- Fewer letters make no trigram: every name would be compared.
      (select c.contact_id, c.names from search_contacts c
        where c.workspace_id = current_workspace() and length(wanted) >= 3 and c.names %> wanted limit most))
    select f.contact_id, (1000 * word_similarity(wanted, f.names))::integer from found f;
end
$$;

revoke execute on function search_matches, search_people, search_names from public;
grant create on schema public to parley_search;
alter function search_matches owner to parley_search;
alter function search_people owner to parley_search;
alter function search_names owner to parley_search;
revoke create on schema public from parley_search;
set local role parley_search;
grant execute on function search_matches, search_people, search_names to parley_app;
reset role;
