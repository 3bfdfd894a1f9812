-- E-mail: which conversation a mail belongs to is told by an address that only its participants were given, and by who
-- they are.
set local lock_timeout = '2s';

-- Random tokens in the addresses that answers come back to. One of a conversation is good at a time; a revoked one
-- leads nowhere.
create table reply_tokens (
  workspace_id uuid not null default current_workspace(),
  token text collate "C" not null,
  conversation_id uuid not null,
  created_at timestamptz(3) not null,
  revoked_at timestamptz(3),
  primary key (workspace_id, token),
  foreign key (workspace_id, conversation_id) references conversations (workspace_id, id)
);
create unique index reply_tokens_of_conversation on reply_tokens (workspace_id, conversation_id) where revoked_at is null;
call isolate_by_workspace('reply_tokens');

-- Whom a conversation is with: who wrote in it and who was addressed, in lower case, our own addresses left out. A mail
-- joins it when one of them is among its own.
create table conversation_addresses (
  workspace_id uuid not null default current_workspace(),
  conversation_id uuid not null,
  address text collate "C" not null check (length(address) <= 255),
  primary key (workspace_id, conversation_id, address),
  foreign key (workspace_id, conversation_id) references conversations (workspace_id, id)
);
create index conversation_addresses_by_address on conversation_addresses (workspace_id, address, conversation_id);
call isolate_by_workspace('conversation_addresses');
