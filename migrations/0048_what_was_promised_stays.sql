-- Nobody makes a late answer unseen by deleting what it was promised to: conversations, waits and clocks stay, and so does what
-- was promised and by which calendar. What a customer said goes by an erasure, which empties rows.
set local lock_timeout = '2s';

revoke delete on conversations, waits, sla_clocks, sla_policies, sla_policy_versions, calendars, calendar_versions from parley_app;
