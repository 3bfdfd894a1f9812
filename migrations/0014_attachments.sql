-- Files of messages, in both directions. Their bytes lie in the blob store under {workspace_id}/{sha256}; what they
-- belong to, where they come from and what they turned out to be stands here.
set local lock_timeout = '2s';

-- Bytes that are, or are about to be, in the store: the row is committed before they appear there, so that whatever a
-- process leaves behind when it dies can be found again.
create table blobs (
  workspace_id uuid not null default current_workspace(),
  key text collate "C" not null,
  byte_size bigint not null,
  -- When they were last put there. What nothing refers to is kept for some time after.
  put_at timestamptz(3) not null,
  -- An event of the ledger may name them that has not become a message yet.
  from_ledger boolean not null default false,
  -- Since when a worker is deleting them: whoever puts the same bytes waits until it is done.
  deleting_at timestamptz(3),
  primary key (workspace_id, key)
);
call isolate_by_workspace('blobs');

create table attachments (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  -- Null while it is uploaded and no reply has it.
  message_id uuid,
  -- Of what came in: channels take turns at fetching.
  channel_id uuid,
  position smallint not null default 0,
  state text not null check (state in ('pending', 'stored', 'refused', 'failed')),
  reason text,
  -- Tells it from its siblings on the network.
  external_id text collate "C" check (length(external_id) <= 255),
  source_url text,
  blob_key text collate "C",
  -- What its sender says it is.
  claimed_media_type text,
  -- What its content is.
  media_type text,
  byte_size bigint,
  sha256 text,
  filename text,
  alt_text text,
  -- Shown within the text.
  inline boolean not null default false,
  uploaded_by_type text check (uploaded_by_type in ('user', 'api_key')),
  uploaded_by_id uuid,
  attempts smallint not null default 0,
  -- When a worker should fetch it: while one is at it, when another one may take over. Null: nothing is to be done.
  next_attempt_at timestamptz(3),
  -- The network's time of the newest version of the message that has it.
  version_at timestamptz(3),
  -- A later version of the message no longer has it.
  removed boolean not null default false,
  created_at timestamptz(3) not null,
  primary key (workspace_id, id),
  unique (workspace_id, message_id, external_id),
  foreign key (workspace_id, message_id) references messages (workspace_id, id) on delete cascade
);
create index attachments_by_message on attachments (workspace_id, message_id, position, id) where message_id is not null;
create index attachments_by_blob on attachments (workspace_id, blob_key) where blob_key is not null;
create index attachments_unused on attachments (workspace_id, created_at) where message_id is null;
create index attachments_to_fetch on attachments (workspace_id, channel_id, next_attempt_at) where next_attempt_at is not null;
call isolate_by_workspace('attachments');
create policy system_lookup on attachments for select to parley_system using (next_attempt_at is not null);
grant select (workspace_id, channel_id, next_attempt_at) on attachments to parley_system;

-- Some version of it had a file: whoever reads or changes a message without any looks for none.
alter table messages add column has_attachments boolean not null default false;
