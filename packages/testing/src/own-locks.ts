/**
 * `pg_locks` of the database that asks, to be selected from: databases that were copied from one template share the ids
 * of their tables, and the view shows the locks of all.
 */
export const OWN_LOCKS = `(select l.* from pg_locks l join pg_database d on d.oid = l.database
  where d.datname = current_database()) as locks`
