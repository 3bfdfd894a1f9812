-- In which language somebody should be able to read a conversation: found out from what its customers write, or said by a
-- person. BCP 47; null while nothing is known.
set local lock_timeout = '2s';

alter table conversations add column language text;
