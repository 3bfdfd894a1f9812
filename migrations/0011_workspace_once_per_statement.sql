-- Which workspace a transaction is in is asked for once per statement and no longer once per row and index probe: reading
-- the setting and its UUID takes 0.4 to 0.8 µs, and a batch of messages did it two dozen times for each of them. As a
-- subquery it is one value that the plan computes first; what may be seen and written stays the same.
set local lock_timeout = '2s';

create or replace procedure isolate_by_workspace(target regclass)
  language plpgsql as $$
begin
  execute format('alter table %s enable row level security', target);
  execute format('alter table %s force row level security', target);
  execute format(
    'create policy workspace_isolation on %s to parley_app
       using (workspace_id = (select current_workspace())) with check (workspace_id = (select current_workspace()))',
    target);
  execute format('grant select, insert, update, delete on %s to parley_app', target);
end
$$;

do $$
declare
  policy record;
begin
  for policy in
    select format('%I.%I', schemaname, tablename) as target, case tablename when 'workspaces' then 'id' else 'workspace_id' end as key
    from pg_policies where policyname = 'workspace_isolation'
  loop
    execute format(
      'alter policy workspace_isolation on %s
         using (%2$s = (select current_workspace())) with check (%2$s = (select current_workspace()))',
      policy.target, policy.key);
  end loop;
end
$$;
