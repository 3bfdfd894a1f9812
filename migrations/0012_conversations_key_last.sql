-- The key of conversations becomes their youngest index. Every message that comes has its foreign key checked, by a plan
-- that each connection keeps until the table's statistics change. In an empty table all indexes that hold the id look
-- equally good, and PostgreSQL takes the youngest of them: that was the one the list is sorted by, and each check read the
-- whole list. A new installation that began with a large backlog took in 250 messages a second until the first ANALYZE.
set local lock_timeout = '2s';

alter table messages drop constraint messages_workspace_id_conversation_id_fkey;
alter table assignments drop constraint assignments_workspace_id_conversation_id_fkey;
alter table waits drop constraint waits_workspace_id_conversation_id_fkey;

alter table conversations drop constraint conversations_pkey, add primary key (workspace_id, id);

alter table messages add foreign key (workspace_id, conversation_id) references conversations (workspace_id, id);
alter table assignments add foreign key (workspace_id, conversation_id) references conversations (workspace_id, id);
alter table waits add foreign key (workspace_id, conversation_id) references conversations (workspace_id, id);
