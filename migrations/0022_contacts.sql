-- One customer in many communities. A contact is a person; merging two of them moves no row: the one that is merged
-- stands for the other from then on, and stands for itself again when that is undone. What was written, waited for and
-- promised keeps the contact it was written as.
set local lock_timeout = '2s';

alter table contacts
  -- Given by a person of the team: what the networks call them does not replace it.
  add column name_given boolean not null default false,
  -- BCP 47.
  add column language text,
  add column do_not_contact boolean not null default false,
  add column attributes jsonb not null default '{}',
  -- Who this is, of those it was merged with: never one that is merged itself. Null: itself.
  add column merged_into uuid,
  add column erased_at timestamptz(3),
  add column version integer not null default 1,
  -- Compared byte by byte: row-level security lets an index answer for such comparisons, and for no pattern.
  add column name_key text collate "C" not null generated always as (left(lower(name), 100)) stored,
  add constraint contacts_merged_into_other check (merged_into <> id),
  add foreign key (workspace_id, merged_into) references contacts (workspace_id, id);
create index contacts_by_name on contacts (workspace_id, name_key, id);
create index contacts_merged on contacts (workspace_id, merged_into) where merged_into is not null;

alter table contact_identities
  add column handle_key text collate "C" generated always as (left(lower(handle), 100)) stored;
create index contact_identities_by_handle on contact_identities (workspace_id, handle_key) where handle_key is not null;

create table contact_notes (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  contact_id uuid not null,
  body text not null,
  author_type text not null check (author_type in ('user', 'api_key')),
  author_id uuid not null,
  version integer not null default 1,
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null,
  primary key (workspace_id, id),
  foreign key (workspace_id, contact_id) references contacts (workspace_id, id)
);
create index contact_notes_by_contact on contact_notes (workspace_id, contact_id, id);
call isolate_by_workspace('contact_notes');

-- Every merge there was. Those that are not undone are a forest; contacts.merged_into is the root above each contact.
create table contact_links (
  workspace_id uuid not null default current_workspace(),
  id uuid not null,
  into_id uuid not null,
  from_id uuid not null,
  merged_at timestamptz(3) not null,
  merged_by_type text not null check (merged_by_type in ('user', 'api_key')),
  merged_by_id uuid not null,
  unmerged_at timestamptz(3),
  unmerged_by_type text check (unmerged_by_type in ('user', 'api_key')),
  unmerged_by_id uuid,
  primary key (workspace_id, id),
  foreign key (workspace_id, into_id) references contacts (workspace_id, id),
  foreign key (workspace_id, from_id) references contacts (workspace_id, id)
);
create unique index contact_links_active on contact_links (workspace_id, from_id) where unmerged_at is null;
create index contact_links_by_target on contact_links (workspace_id, into_id, id);
call isolate_by_workspace('contact_links');

-- Where a contact has spoken, in whichever conversation of whichever channel.
create index messages_by_contact on messages (workspace_id, contact_id, conversation_id, id) where contact_id is not null;
create index conversations_by_contact on conversations (workspace_id, contact_id, last_message_at desc, id desc)
  where contact_id is not null;
