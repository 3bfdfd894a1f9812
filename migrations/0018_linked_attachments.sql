-- Some of what a message shows is a page or a stream elsewhere: the card of a link, a video. It is shown as a link, and
-- nobody fetches it.
set local lock_timeout = '2s';

alter table attachments
  drop constraint attachments_state_check,
  add constraint attachments_state_check check (state in ('pending', 'stored', 'refused', 'failed', 'linked')) not valid;
alter table attachments validate constraint attachments_state_check;
