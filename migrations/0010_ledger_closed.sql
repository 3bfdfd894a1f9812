-- A channel's closed events in the order in which they came: what its health and completeness are read from, and what
-- is forgotten when it is old. An event enters this index once, when it is closed, at the right edge of its channel.
set local lock_timeout = '2s';

create index inbound_events_closed on inbound_events (workspace_id, channel_id, id)
  where state in ('done', 'ignored', 'discarded');

-- When a poll last ended well.
alter table channels add column polled_at timestamptz(3);
