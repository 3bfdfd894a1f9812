-- What a workspace keeps of its conversations and contacts besides what Parley knows of them, each with a type.
set local lock_timeout = '2s';

-- A definition is never deleted: values that were given while it was in use stay readable, and views know it by its key.
create table attributes (
  workspace_id uuid not null default current_workspace() references workspaces (id),
  id uuid not null,
  applies_to text not null check (applies_to in ('conversation', 'contact')),
  key text collate "C" not null,
  label text not null,
  type text not null check (type in ('text', 'number', 'boolean', 'date', 'select')),
  -- What a select may be set to; null for every other type.
  options text[],
  archived_at timestamptz(3),
  version integer not null default 1,
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null,
  primary key (workspace_id, id),
  unique (workspace_id, applies_to, key),
  check (type <> 'select' or options is not null)
);
call isolate_by_workspace('attributes');

-- The values of conversations.attributes once more, to be filtered by: row-level security keeps an operator of jsonb from
-- its index. Written in the transaction that writes the column.
create table conversation_attributes (
  workspace_id uuid not null default current_workspace(),
  conversation_id uuid not null,
  key text collate "C" not null,
  -- The value as text, long ones by their hash.
  value_key text collate "C" not null,
  primary key (workspace_id, conversation_id, key),
  foreign key (workspace_id, conversation_id) references conversations (workspace_id, id)
);
create index conversation_attributes_by_value on conversation_attributes (workspace_id, key, value_key, conversation_id);
call isolate_by_workspace('conversation_attributes');
