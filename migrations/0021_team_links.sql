-- A conversation or a view of a team whose team is deleted: the one is nobody's then, the other goes with it.
set local lock_timeout = '2s';

alter table conversations add foreign key (workspace_id, team_id) references teams (workspace_id, id) on delete set null (team_id);
create index conversations_by_team on conversations (workspace_id, team_id) where team_id is not null;
alter table views add foreign key (workspace_id, team_id) references teams (workspace_id, id) on delete cascade;
