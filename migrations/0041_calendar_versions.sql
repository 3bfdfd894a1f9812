-- Who made each version of a calendar, and what it was called then. Null where nobody wrote it down.
set local lock_timeout = '2s';

alter table calendars no force row level security;
alter table calendar_versions no force row level security;
alter table calendar_versions
  add column name text,
  add column created_by_type text,
  add column created_by_id uuid;
-- None has been changed so far.
update calendar_versions v set name = c.name from calendars c
where c.workspace_id = v.workspace_id and c.id = v.calendar_id;
alter table calendars force row level security;
alter table calendar_versions force row level security;
