-- A rule can have a message hidden or liked.
set local lock_timeout = '2s';

-- Every row satisfies the narrower check that there was.
alter table message_actions
  drop constraint message_actions_actor_type_check,
  add constraint message_actions_actor_type_check check (actor_type in ('user', 'api_key', 'rule')) not valid;
-- The sweeper tells what rules ask for from what people do: that goes first.
grant select (actor_type) on message_actions to parley_system;
