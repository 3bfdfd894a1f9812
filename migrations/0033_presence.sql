-- Who is at a conversation now. Nothing of it has to outlive a crash: it is told anew within half a minute, so the table is
-- not in the write-ahead log, and empty after a crash.
set local lock_timeout = '2s';

create unlogged table presence (
  workspace_id uuid not null default current_workspace(),
  -- No foreign keys: they would lock the conversation, which ingest writes, for something that is over in half a minute.
  conversation_id uuid not null,
  user_id uuid not null,
  expires_at timestamptz(3) not null,
  -- Past, or null: only looking.
  typing_until timestamptz(3),
  primary key (workspace_id, conversation_id, user_id)
) with (fillfactor = 50);
call isolate_by_workspace('presence');
