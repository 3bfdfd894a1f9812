-- A question about a conversation for somebody who is no member of anything here: a link that opens a few messages, takes
-- one note, and nothing else.
set local lock_timeout = '2s';

create table expert_links (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  conversation_id uuid not null,
  -- Whom it is for, in the words of who asks.
  name text not null,
  question text not null,
  -- What the expert is shown, as far as it still stands in the conversation when they look.
  message_ids uuid[] not null,
  -- 32 random bytes, shown once and stored as their SHA-256, as invitations are.
  token_hash bytea not null,
  created_by_type text not null check (created_by_type in ('user', 'api_key')),
  created_by_id uuid not null,
  created_at timestamptz(3) not null,
  expires_at timestamptz(3) not null,
  revoked_at timestamptz(3),
  answered_at timestamptz(3),
  -- The note that answers it.
  message_id uuid,
  primary key (workspace_id, id),
  unique (workspace_id, token_hash),
  foreign key (workspace_id, conversation_id) references conversations (workspace_id, id),
  foreign key (workspace_id, message_id) references messages (workspace_id, id),
  check ((answered_at is null) = (message_id is null))
);
create index expert_links_by_token on expert_links (token_hash);
create index expert_links_by_conversation on expert_links (workspace_id, conversation_id, id);
create index expert_links_by_message on expert_links (workspace_id, message_id) where message_id is not null;
call isolate_by_workspace('expert_links');
create policy system_lookup on expert_links for select to parley_system using (true);
grant select (workspace_id, id, token_hash) on expert_links to parley_system;

-- Rows written before are within the new bounds: the checks need not read them.
alter table messages
  drop constraint messages_author_type_check,
  add constraint messages_author_type_check
    check (author_type in ('contact', 'user', 'api_key', 'native', 'rule', 'expert')) not valid;
alter table events
  drop constraint events_actor_type_check,
  add constraint events_actor_type_check
    check (actor_type in ('user', 'api_key', 'rule', 'contact', 'system', 'expert')) not valid;
alter table notifications
  drop constraint notifications_kind_check,
  add constraint notifications_kind_check check (kind in
    ('mentioned', 'assigned', 'unassigned', 'customer_message', 'resolved', 'reopened', 'task_due', 'expert_answered'))
    not valid;

create function find_expert_link(hash bytea)
  returns table (workspace_id uuid, id uuid)
  language sql stable security definer set search_path = public
  begin atomic
    select l.workspace_id, l.id from expert_links l where l.token_hash = hash;
  end;

revoke execute on function find_expert_link from public;
-- A function's new owner needs CREATE on its schema at that moment only.
grant create on schema public to parley_system;
alter function find_expert_link owner to parley_system;
revoke create on schema public from parley_system;
set local role parley_system;
grant execute on function find_expert_link to session_user;
reset role;
