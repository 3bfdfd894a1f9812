-- Run once, when the volume is empty. Parley owns its database and may create roles, and is no superuser:
-- a superuser passes row-level security by.
\getenv password POSTGRES_PASSWORD
create role parley login createrole password :'password';
create database parley owner parley;

-- The superuser keeps no password, so it can log in only from inside this container.
alter role postgres password null;
