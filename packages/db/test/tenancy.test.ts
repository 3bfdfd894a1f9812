import { randomUUID } from 'node:crypto'
import { firstWorkspace, testDatabase } from '@parley/testing'
import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'
import { openDatabase, sqlState, type Trx } from '../src/index.ts'
import { fillWorkspace, insertStatement, listTables, someRow, superuser, workspaceColumn } from './catalogue.ts'

const { db, url } = await testDatabase(t)
const root = await superuser(t, url)
const tables = await listTables(root)
const [A, B] = [(await firstWorkspace(db)).workspace_id, randomUUID()]
await fillWorkspace(
  root,
  tables.filter(({ name }) => name !== 'workspaces'),
  A,
)
await fillWorkspace(root, tables, B)

const ask = async <T extends Record<string, unknown>>(text: string, values: unknown[] = []) =>
  (await root.query<T>(text, values)).rows
/** Runs one statement inside a workspace, with its values. */
const run = async (trx: Trx, text: string, values: unknown[] = []) => {
  const parts = text.split(/\$\d+/)
  const joined = parts.flatMap((part, index) =>
    index === 0 ? [sql.raw(part)] : [sql`${values[index - 1]}`, sql.raw(part)],
  )
  return sql<Record<string, unknown>>`${sql.join(joined, sql.raw(''))}`.execute(trx)
}
const partitions = (
  await ask<{ name: string }>(`
    select relname as name from pg_class
    where relispartition and relkind = 'r' and relnamespace = 'public'::regnamespace order by 1`)
).map(({ name }) => name)
const inA = <T>(work: (trx: Trx) => Promise<T>) => db.inWorkspace(A, work)

t.test('every table but workspaces belongs to a workspace, and takes it from the transaction', async t => {
  t.ok(tables.length >= 20)
  for (const { name, columns } of tables) {
    const column = columns.find(({ name }) => name === 'workspace_id')
    if (name === 'workspaces') {
      t.notOk(column)
      continue
    }
    t.match(column, { type: 'uuid', default: 'current_workspace()' }, name)
    const [{ attnotnull }] = (await ask(
      `select attnotnull from pg_attribute where attrelid = $1::regclass and attname = 'workspace_id'`,
      [name],
    )) as [{ attnotnull: boolean }]
    t.ok(attnotnull, name)
  }
})

t.test('every key leads with the workspace, so that none tells of a row of another one', async t => {
  const keys = await ask<{ table: string; index: string; first: string; primary: boolean }>(`
    select i.indrelid::regclass::text as table, i.indexrelid::regclass::text as index, i.indisprimary as primary,
      pg_get_indexdef(i.indexrelid, 1, true) as first
    from pg_index i join pg_class c on c.oid = i.indrelid
    where i.indisunique and c.relnamespace = 'public'::regnamespace and c.relname <> 'schema_migrations'`)
  for (const { table, index, first } of keys) t.equal(first, workspaceColumn(table), index)
  const withKey = keys.filter(({ primary }) => primary).map(({ table }) => table)
  const all = [...tables.map(({ name }) => name), ...partitions]
  t.same(withKey.sort(), all.sort(), 'every table and every partition has a primary key')
})

t.test('every reference carries the workspace along, so that none crosses over', async t => {
  const references = await ask<{ name: string; table: string; target: string; columns: string[] }>(`
    select conname as name, conrelid::regclass::text as table, confrelid::regclass::text as target,
      (select array_agg(attname::text order by n) from unnest(conkey) with ordinality k (num, n)
        join pg_attribute on attrelid = conrelid and attnum = num) as columns
    from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace`)
  t.ok(references.length > 20)
  for (const { name, columns, target } of references) {
    t.equal(columns[0], 'workspace_id', name)
    if (target !== 'workspaces') t.ok(columns.length > 1, name)
  }
})

t.test('row-level security is on for everybody, the owner too, and asks for the workspace on both sides', async t => {
  const flags = await ask<{ name: string; enabled: boolean; forced: boolean }>(`
    select relname as name, relrowsecurity as enabled, relforcerowsecurity as forced from pg_class
    where relkind in ('r', 'p') and not relispartition and relnamespace = 'public'::regnamespace
      and relname <> 'schema_migrations'`)
  t.same(flags.map(({ name }) => name).sort(), tables.map(({ name }) => name).sort())
  for (const { name, enabled, forced } of flags) t.same([enabled, forced], [true, true], name)
  const policies = await ask<{
    tablename: string
    permissive: string
    roles: string
    cmd: string
    qual: string
    with_check: string
  }>(`select tablename, permissive, roles::text, cmd, qual, with_check from pg_policies where schemaname = 'public'`)
  for (const { name } of tables) {
    const own = policies.filter(policy => policy.tablename === name && policy.roles === '{parley_app}')
    const rule = `(${workspaceColumn(name)} = ( SELECT current_workspace() AS current_workspace))`
    t.match(own, [{ cmd: 'ALL', permissive: 'PERMISSIVE', qual: rule, with_check: rule }], name)
    t.equal(own.length, 1, `${name} has one policy for the app: another one would widen it`)
  }
  const others = policies.filter(({ roles }) => roles !== '{parley_app}')
  for (const { tablename, roles, cmd } of others) {
    const role = tablename.startsWith('search_') ? '{parley_search}' : '{parley_system}'
    t.same([roles, cmd], [role, 'SELECT'], tablename)
  }
})

t.test('a partition is reached through its table alone: only its owner may touch it', async t => {
  t.ok(partitions.includes('inbound_payloads_default'))
  t.ok(partitions.length > 7, 'the days to come have theirs')
  const facts = await ask<{ name: string; enabled: boolean; others: number; columns: number; policies: number }>(`
    select relname as name, relrowsecurity as enabled,
      (select count(*)::int from aclexplode(relacl) where grantee <> relowner) as others,
      (select count(*)::int from pg_attribute where attrelid = c.oid and attacl is not null) as columns,
      (select count(*)::int from pg_policy where polrelid = c.oid) as policies
    from pg_class c where relispartition and relkind = 'r' and relnamespace = 'public'::regnamespace order by 1`)
  t.same(
    facts,
    partitions.map(name => ({ name, enabled: true, others: 0, columns: 0, policies: 0 })),
  )
  for (const name of partitions) {
    const statements = [
      `select * from ${name}`,
      `insert into ${name} select * from ${name}`,
      `update ${name} set payload = null`,
      `delete from ${name}`,
      `truncate ${name}`,
      `drop table ${name}`,
    ]
    for (const text of statements) {
      t.equal(await inA(trx => run(trx, text)).then(() => 'done', sqlState), '42501', `in a workspace: ${text}`)
      const bySystem = db.maintain(trx => sql.raw(text).execute(trx)).then(() => 'done', sqlState)
      t.equal(await bySystem, '42501', `by the system: ${text}`)
    }
  }
})

t.test('the roles own no table, cannot log in, and are above no rule', async t => {
  const roles = await ask(`
    select rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication from pg_roles
    where rolname in ('parley_app', 'parley_search', 'parley_system') order by 1`)
  const nothing = {
    rolsuper: false,
    rolbypassrls: false,
    rolcreaterole: false,
    rolcreatedb: false,
    rolcanlogin: false,
    rolreplication: false,
  }
  t.same(roles, [
    { rolname: 'parley_app', ...nothing },
    { rolname: 'parley_search', ...nothing },
    { rolname: 'parley_system', ...nothing },
  ])
  const owned = await ask(`
    select relname as name from pg_class where relowner in (select oid from pg_roles where rolname ~ '^parley_(app|search|system)$')
    union all select proname from pg_proc where proowner in (select oid from pg_roles where rolname ~ '^parley_(app|search|system)$')
    union all select nspname from pg_namespace where nspowner in (select oid from pg_roles where rolname ~ '^parley_(app|search|system)$')
    order by 1`)
  const functions = [
    ...[
      'authenticate_api_key',
      'authenticate_session',
      'find_expert_link',
      'find_invitation',
      'find_logins',
      'find_password_reset',
    ],
    ...['oldest_pending_event', 'search_matches', 'search_names', 'search_people'],
  ]
  t.same(
    owned,
    functions.map(name => ({ name })),
    'but what runs as the system',
  )
  for (const role of ['parley_app', 'parley_search', 'parley_system']) {
    const rights = await ask(
      `select has_schema_privilege($1, 'public', 'create') as create,
      has_schema_privilege($1, 'bullmq', 'usage') as queues`,
      [role],
    )
    t.same(rights, [{ create: false, queues: false }], role)
  }
})

t.test('what runs with the rights of another role is known, and who may call it', async t => {
  const functions = await ask(`
    select proname as name, pg_get_function_result(oid) as gives,
      case when proowner = (select relowner from pg_class where relname = 'workspaces') then 'the owner'
        else proowner::regrole::text end as runs_as,
      proconfig as settings,
      exists (select from aclexplode(coalesce(proacl, acldefault('f', proowner))) where grantee = 0) as anybody,
      has_function_privilege('parley_app', oid, 'execute') as app,
      has_function_privilege('parley_system', oid, 'execute') as system
    from pg_proc where pronamespace = 'public'::regnamespace and prosecdef order by 1`)
  const settings = ['search_path=public']
  const asSystem = { runs_as: 'parley_system', settings, anybody: false, app: false, system: true }
  const asOwner = { ...asSystem, runs_as: 'the owner' }
  const caller =
    'TABLE(workspace_id uuid, id uuid, role text, user_id uuid, inbox_ids uuid[], last_used_at timestamp with time zone)'
  const found = 'TABLE(workspace_id uuid, id uuid)'
  // For everybody who works in a workspace: they name it themselves, which is tested below.
  const planned = ['enable_seqscan=off', 'enable_indexscan=off', 'plan_cache_mode=force_custom_plan']
  const search = {
    ...asSystem,
    runs_as: 'parley_search',
    settings: [...settings, ...planned],
    app: true,
    system: false,
  }
  const document =
    'TABLE(id uuid, kind text, conversation_id uuid, contact_id uuid, at timestamp with time zone, has_attachments boolean)'
  t.same(functions, [
    { name: 'authenticate_api_key', gives: caller, ...asSystem },
    { name: 'authenticate_session', gives: caller, ...asSystem },
    { name: 'drop_payload_partitions', gives: 'integer', ...asOwner },
    { name: 'ensure_payload_partitions', gives: 'integer', ...asOwner },
    { name: 'find_expert_link', gives: found, ...asSystem },
    { name: 'find_invitation', gives: found, ...asSystem },
    { name: 'find_logins', gives: 'TABLE(workspace_id uuid, user_id uuid, workspace_name text)', ...asSystem },
    { name: 'find_password_reset', gives: found, ...asSystem },
    { name: 'oldest_pending_event', gives: 'uuid', ...asSystem },
    { name: 'search_matches', gives: document, ...search },
    { name: 'search_names', gives: 'TABLE(contact_id uuid, score integer)', ...search },
    { name: 'search_people', gives: 'SETOF uuid', ...search },
  ])
  const calls = [
    'select authenticate_api_key(null, now())',
    'select authenticate_session(null, now())',
    `select find_logins('x')`,
    'select find_expert_link(null)',
    'select find_invitation(null)',
    'select find_password_reset(null)',
    'select inboxes_of(null, null, null, null)',
    'select oldest_pending_event()',
    'select ensure_payload_partitions(current_date, 1)',
    'select drop_payload_partitions(now())',
  ]
  for (const text of calls) t.equal(await inA(trx => run(trx, text)).then(() => 'done', sqlState), '42501', text)
})

t.test('the role of the search reads the index and nothing else, and writes nothing', async t => {
  for (const { name } of tables) {
    for (const text of [`select 1 from ${name}`, `delete from ${name}`, `insert into ${name} default values`]) {
      await root.query('begin; set local role parley_search')
      const state = await root.query(text).then(() => 'done', sqlState)
      await root.query('rollback')
      t.equal(state, name.startsWith('search_') && text.startsWith('select') ? 'done' : '42501', text)
    }
  }
})

t.test('the look-ups of the search, which run above the policies, give ids of their own workspace alone', async t => {
  const ids = async (workspace: string, column: string, table: string) =>
    (await ask<{ id: string }>(`select ${column} as id from ${table} where workspace_id = $1`, [workspace])).map(
      ({ id }) => id,
    )
  await ask(
    `update search_documents set terms = 'word', day = 20000; update search_contacts set terms = 'word', names = 'word'`,
  )
  const calls = {
    "select id from search_matches('word', 20000, 20000, 'infinity', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 100)": [
      'id',
      'search_documents',
    ],
    "select contact_id as id from search_names('word', 'word', 100)": ['contact_id', 'search_contacts'],
    "select search_people('word', 100) as id": ['contact_id', 'search_contacts'],
  }
  for (const [text, [column, table]] of Object.entries(calls)) {
    for (const workspace of [A, B]) {
      const { rows } = await db.inWorkspace(workspace, trx => run(trx, text))
      t.same(
        rows.map(({ id }) => id),
        await ids(workspace, column!, table!),
        text,
      )
    }
    const { rows } = await root.query(text)
    t.same(rows, [], 'and nothing outside of one')
  }
})

t.test('without a role a connection sees no row, although it owns the tables', async t => {
  const found = await db.pool
    .query(tables.map(({ name }) => `select count(*)::int as count from ${name}`).join(' union all '))
    .then(
      ({ rows }) => rows,
      error => sqlState(error),
    )
  t.ok(found === '42501' || (found as { count: number }[]).every(({ count }) => count === 0), JSON.stringify(found))
})

t.test('the system role writes nothing and reads the granted columns alone', async t => {
  const granted = await ask<{ table_name: string; columns: string }>(`
    select table_name, string_agg(column_name, ', ' order by column_name) as columns
    from information_schema.column_privileges where grantee = 'parley_system' and privilege_type = 'SELECT'
    group by table_name order by table_name`)
  t.same(Object.fromEntries(granted.map(({ table_name, columns }) => [table_name, columns])), {
    api_keys: 'expires_at, id, inbox_ids, key_hash, last_used_at, revoked_at, role, user_id, workspace_id',
    attachments: 'channel_id, next_attempt_at, workspace_id',
    channel_listeners: 'channel_id, lease_until, retry_at, workspace_id',
    channels: 'id, kind, next_poll_at, status, workspace_id',
    conversations: 'claim_expires_at, id, snoozed_until, workspace_id',
    contact_erasures: 'id, state, workspace_id',
    contact_exports: 'id, next_attempt_at, workspace_id',
    events: 'at, seq, workspace_id, xact',
    expert_links: 'id, token_hash, workspace_id',
    feed_cursors: 'consumer, seq, workspace_id, xact',
    feed_failures: 'consumer, state, workspace_id',
    inbound_events: 'channel_id, id, lane, received_at, state, workspace_id',
    inbox_members: 'inbox_id, user_id, workspace_id',
    inbox_teams: 'inbox_id, team_id, workspace_id',
    inboxes: 'id, open_to_all, routing, workspace_id',
    invitations: 'id, token_hash, workspace_id',
    message_actions: 'actor_type, batch_id, id, message_id, next_attempt_at, workspace_id',
    message_batches: 'created_at, id, state, workspace_id',
    messages: 'id, next_attempt_at, workspace_id',
    password_resets: 'id, token_hash, workspace_id',
    sessions: 'epoch, expires_at, id, idle_seconds, last_seen_at, revoked_at, token_hash, user_id, workspace_id',
    sla_clocks: 'breached_at, due_at, state, warn_at, workspace_id',
    sla_self_checks: 'finished_at, held_until, started_at, workspace_id',
    tasks: 'tell_due_at, workspace_id',
    team_members: 'team_id, user_id, workspace_id',
    users: 'email, id, role, session_epoch, status, workspace_id',
    workspaces: 'id, name',
  })
  for (const table of tables) {
    const row = await someRow(root, table, A)
    const own = workspaceColumn(table.name)
    const statements = [
      insertStatement(table.name, row).text.replace(/\$\d+/g, 'null'),
      `update ${table.name} set ${own} = ${own}`,
      `delete from ${table.name}`,
      `select * from ${table.name}`,
      `truncate ${table.name}`,
    ]
    for (const text of statements) {
      // Once as the product does it, read only, and once with nothing but the role in the way.
      await t.rejects(
        db.asSystem(trx => sql.raw(text).execute(trx as unknown as Trx)),
        text,
      )
      await root.query('begin; set local role parley_system')
      const state = await root.query(text).then(() => 'done', sqlState)
      await root.query('rollback')
      t.equal(state, '42501', text)
    }
  }
})

t.test('a transaction of one workspace sees no row of another one, in any table', async t => {
  for (const { name } of tables) {
    const own = workspaceColumn(name)
    const all = await ask<{ ws: string }>(`select distinct ${own} as ws from ${name}`)
    t.same(new Set(all.map(({ ws }) => ws)), new Set([A, B]), `${name} has rows of both`)
    const { rows } = await inA(trx => run(trx, `select ${own} as ws from ${name}`))
    t.ok(rows.length > 0, name)
    for (const { ws } of rows) t.equal(ws, A, name)
    const asked = await inA(trx => run(trx, `select 1 from ${name} where ${own} = $1`, [B]))
    t.equal(asked.rows.length, 0, name)
  }
})

t.test('a transaction of one workspace writes nothing into another one, in any table', async t => {
  const contents = () =>
    ask(
      tables
        .map(
          ({ name }) =>
            `select '${name}' as name, md5(string_agg(r::text, '' order by r::text)) from ${name} r where ${workspaceColumn(name)} = '${B}'`,
        )
        .join(' union all ')
        .concat(' order by 1'),
    )
  const before = await contents()
  for (const table of tables) {
    const own = workspaceColumn(table.name)
    const { text, values } = insertStatement(table.name, await someRow(root, table, B))
    const inserted = await inA(trx => run(trx, text, values)).then(() => 'done', sqlState)
    t.equal(inserted, '42501', `insert into ${table.name}`)
    const moved = await inA(trx => run(trx, `update ${table.name} set ${own} = $1`, [B])).then(() => 'done', sqlState)
    t.equal(moved, '42501', `move within ${table.name}`)
    for (const statement of [
      `update ${table.name} set ${own} = ${own} where ${own} = $1`,
      `delete from ${table.name} where ${own} = $1`,
    ]) {
      const outcome = await inA(trx => run(trx, statement, [B])).then(
        ({ numAffectedRows }) => numAffectedRows,
        sqlState,
      )
      t.ok(outcome === 0n || outcome === '42501', `${statement}: ${outcome}`)
    }
  }
  t.same(await contents(), before)
})

t.test('the log cannot be rewritten, not even by its own workspace', async t => {
  const changes = ['data', 'previous'].map(column => `update events set ${column} = '{"a":1}'`)
  for (const text of ['update events set type = type', 'delete from events', 'truncate events', ...changes]) {
    t.equal(await inA(trx => run(trx, text)).then(() => 'done', sqlState), '42501', text)
  }
})

t.test('whatever transactions run side by side, each one is in its own workspace, and leaves none behind', async t => {
  const small = openDatabase({ url, poolSize: 2 })
  t.teardown(() => small.close())
  const work = fc.record({
    workspace: fc.constantFrom(A, B),
    fails: fc.constantFrom('no', 'throws', 'sql', 'system'),
    rounds: fc.integer({ min: 1, max: 3 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(work, { minLength: 1, maxLength: 12 }), async list => {
      await Promise.allSettled(
        list.map(async ({ workspace, fails, rounds }) => {
          if (fails === 'system') return small.asSystem(trx => trx.selectFrom('workspaces').select('id').execute())
          return small.inWorkspace(workspace, async trx => {
            for (let round = 0; round < rounds; round += 1) {
              const rows = await trx.selectFrom('contacts').select('workspace_id').execute()
              if (rows.length === 0 || rows.some(({ workspace_id }) => workspace_id !== workspace)) throw new Leak()
            }
            if (fails === 'throws') throw new Error('a bug')
            if (fails === 'sql') await sql.raw('select 1/0').execute(trx)
          })
        }),
      ).then(results => {
        for (const result of results)
          if (result.status === 'rejected' && result.reason instanceof Leak) throw result.reason
      })
      const afterwards = await Promise.all(
        [1, 2].map(() =>
          small.pool.query(`select current_setting('parley.workspace_id', true) as ws, current_user as role`),
        ),
      )
      for (const { rows } of afterwards) {
        if (rows[0].ws || /^parley_(app|system)$/.test(rows[0].role)) throw new Leak(JSON.stringify(rows))
      }
    }),
    { numRuns: 60 },
  )
  t.pass('no transaction saw another workspace')
})

class Leak extends Error {}

t.test('what is no UUID never becomes a workspace', async t => {
  const refused = (workspace_id: string) =>
    db
      .inWorkspace(workspace_id, async () => t.fail(`ran in ${workspace_id}`))
      .then(
        () => false,
        error => error instanceof TypeError,
      )
  const attempts = [
    ...['', ' ', A.toUpperCase(), `${A} `, `${A}\n`, `{${A}}`, A.replaceAll('-', ''), `${A}'; reset role; --`],
    ...[`${A}'; set local role parley_system; select '`, "'", '$1', 'null', `${A}\u0000`, `\n${A}`],
  ]
  for (const attempt of attempts) t.ok(await refused(attempt), JSON.stringify(attempt))
  await fc.assert(fc.asyncProperty(fc.string(), refused))
  await fc.assert(
    fc.asyncProperty(fc.tuple(fc.string({ minLength: 1 }), fc.boolean()), ([text, before]) =>
      refused(before ? text + A : A + text),
    ),
  )
  for (const attempt of [undefined, null, 1, {}, [A, B]])
    t.ok(await refused(attempt as unknown as string), String(attempt))
  await t.rejects(
    db.readInWorkspace(`${A}'`, async () => {}),
    TypeError,
  )
})

t.test('a report writes nothing', async t => {
  const written = db.readInWorkspace(A, trx => run(trx, `update contacts set name = 'x'`))
  t.equal(await written.then(() => 'done', sqlState), '25006')
})

// The last one: it empties the default partition.
t.test('upkeep makes and drops partitions of payloads, and changes nothing else', async t => {
  const relations = () =>
    ask(`select relname, relkind, relrowsecurity, relacl::text from pg_class
      where relnamespace = 'public'::regnamespace and relname !~ '^inbound_payloads_\\d' order by 1`)
  const rows = () =>
    ask(
      tables
        .filter(({ name }) => name !== 'inbound_payloads')
        .map(({ name }) => `select '${name}' as name, md5(string_agg(r::text, '' order by r::text)) from ${name} r`)
        .join(' union all ')
        // Postgres may read the tables side by side.
        .concat(' order by 1'),
    )
  const before = [await relations(), await rows()]
  const made = await db.maintain(trx =>
    sql<{ made: number }>`select ensure_payload_partitions('2031-01-01', 3) as made`.execute(trx),
  )
  t.equal(made.rows[0]!.made, 3)
  const [pending] = await ask(`select min(id::text) as id from inbound_events where state = 'pending'`)
  t.ok(pending!.id, 'something is to be read')
  await db.maintain(trx => sql`select drop_payload_partitions('2100-01-01')`.execute(trx))
  t.same([await relations(), await rows()], before)
  // Nothing else of the two is the system's to do: it has no right of its own to make or to drop.
  for (const text of [
    'create table x (id uuid)',
    'drop table inbound_payloads',
    'alter table inbound_payloads add x int',
  ])
    t.equal(await db.maintain(trx => sql.raw(text).execute(trx)).then(() => 'done', sqlState), '42501', text)
  const readOnly = db.asSystem(trx => sql`select ensure_payload_partitions('2032-01-01', 1)`.execute(trx))
  t.equal(await readOnly.then(() => 'done', sqlState), '25006', 'looking for work makes none')
})
