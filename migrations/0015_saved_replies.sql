-- Texts that a team writes once and uses often, and the answer to a conversation that several people write together.
set local lock_timeout = '2s';

create table saved_replies (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  id uuid not null,
  name text not null,
  shortcut text,
  -- The shortcut as it is compared: one for all spellings of it.
  shortcut_key text,
  -- A template; its variables are checked when it is saved.
  body text not null,
  -- Name, shortcut and body as they are searched.
  search_key text not null,
  -- Null: offered in every inbox.
  inbox_id uuid,
  language text,
  archived_at timestamptz(3),
  version integer not null default 1,
  created_by_type text not null check (created_by_type in ('user', 'api_key')),
  created_by_id uuid not null,
  created_at timestamptz(3) not null,
  updated_by_type text not null check (updated_by_type in ('user', 'api_key')),
  updated_by_id uuid not null,
  updated_at timestamptz(3) not null,
  primary key (workspace_id, id),
  foreign key (workspace_id, inbox_id) references inboxes (workspace_id, id)
);
-- What is archived gives its shortcut free.
create unique index saved_replies_shortcut on saved_replies (workspace_id, shortcut_key) where archived_at is null;
call isolate_by_workspace('saved_replies');

-- One for each conversation. It is emptied and not deleted, so that its versions go on: a version somebody has read is
-- never the version of another text.
create table drafts (
  workspace_id uuid not null default current_workspace(),
  conversation_id uuid not null,
  body text not null,
  visibility text check (visibility in ('public', 'unlisted', 'followers', 'private')),
  in_reply_to uuid,
  attachment_ids uuid[] not null default '{}',
  discarded boolean not null default false,
  version integer not null default 1,
  updated_by_type text not null check (updated_by_type in ('user', 'api_key')),
  updated_by_id uuid not null,
  updated_at timestamptz(3) not null,
  primary key (workspace_id, conversation_id),
  foreign key (workspace_id, conversation_id) references conversations (workspace_id, id)
);
call isolate_by_workspace('drafts');
