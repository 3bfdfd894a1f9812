-- A list by what few conversations have walks along its sort until it has found enough of them: through all of a million
-- for a language that a hundred are written in. These are small, and give what few have at once; what many have is found
-- soon on the walk. In one order of letters whatever the database's own is, so that it serves the beginning of a tag as well.
set local lock_timeout = '2s';

create index conversations_by_language on conversations (workspace_id, language collate "C") where language is not null;
create index conversations_by_priority on conversations (workspace_id, priority) where priority <> 'normal';
