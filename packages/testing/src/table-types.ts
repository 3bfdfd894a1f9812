import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import pg from 'pg'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
export const TABLE_TYPES = `${ROOT}packages/db/src/tables.generated.ts`
const COLUMN_TYPES = `${ROOT}packages/db/src/column-types.generated.ts`

/** Columns whose check constraint is a list of words that the domain names. */
const WORDS = {
  'api_keys.role': 'Role',
  'assignments.actor_type': 'ActorType',
  'assignments.reason': 'AssignmentReason | null',
  'attachments.state': 'AttachmentState',
  'backfills.state': 'BackfillState',
  'channels.kind': 'ChannelKind',
  'channels.status': 'ChannelStatus',
  'conversations.priority': 'ConversationPriority',
  'contact_erasures.requested_by_type': 'MemberType',
  'contact_exports.requested_by_type': 'MemberType',
  'contact_links.merged_by_type': 'MemberType',
  'contact_links.unmerged_by_type': 'MemberType | null',
  'contact_notes.author_type': 'MemberType',
  'conversations.language_source': 'LanguageSource | null',
  'conversations.status': 'ConversationStatus',
  'drafts.updated_by_type': 'MemberType',
  'drafts.visibility': 'Visibility | null',
  'events.actor_type': 'ActorType',
  'expert_links.created_by_type': 'MemberType',
  'inboxes.routing': 'Routing',
  'invitations.invited_by_type': 'MemberType',
  'invitations.role': 'Role',
  'message_actions.actor_type': 'ActorType',
  'message_actions.state': 'SendState',
  'message_actions.verb': 'ActionVerb',
  'message_batch_items.result': 'ItemResult',
  'message_batches.action': 'BatchAction',
  'message_batches.created_by_type': 'MemberType',
  'message_batches.state': 'BatchState',
  'message_triage.content': 'MessageContent',
  'message_triage.proposed_disposition': 'ProposedDisposition | null',
  'message_triage.proposed_priority': 'ConversationPriority',
  'message_triage.sentiment': 'Sentiment',
  'message_batches.dismissed_as': 'Dismissal | null',
  'messages.author_type': 'AuthorType',
  'messages.direction': 'MessageDirection',
  'messages.dismissed_as': 'Dismissal | null',
  'messages.disposition': 'Disposition | null',
  'messages.state': 'MessageState',
  'messages.visibility': 'Visibility',
  'post_messages.proposed_disposition': 'ProposedDisposition | null',
  'post_messages.sentiment': 'Sentiment | null',
  'posts.kind': 'PostKind',
  'saved_replies.created_by_type': 'MemberType',
  'saved_replies.updated_by_type': 'MemberType',
  'sla_clocks.metric': 'SlaMetric',
  'sla_clocks.priority': 'ConversationPriority',
  'sla_clocks.state': 'ClockState',
  'sla_differences.level': 'DifferenceLevel',
  'users.availability': 'Availability',
  'users.role': 'Role',
  'users.status': 'UserStatus',
  'views.scope': 'ViewScope',
  'views.sort': 'ConversationSort',
}

const WITH_DEFAULT = new Set([
  'backfills.state',
  'conversations.priority',
  'conversations.status',
  'inboxes.routing',
  'messages.disposition',
  'sla_clocks.priority',
  'sla_clocks.state',
  'users.availability',
  'users.status',
])

/**
 * Writes the types of a migrated database's tables, as TypeScript (by kysely-codegen) and as PostgreSQL names them; with
 * `verify` fails when they differ from what is written.
 */
export async function writeTableTypes(url: string, options: { verify: boolean }): Promise<void> {
  const columns = Object.fromEntries(
    Object.entries(WORDS).map(([column, word]) => {
      const type = `import('@parley/domain').${word}`
      return [column, WITH_DEFAULT.has(column) ? `Generated<${type}>` : type]
    }),
  )
  await promisify(execFile)(
    `${ROOT}node_modules/.bin/kysely-codegen`,
    [
      ...[
        '--dialect',
        'postgres',
        '--url',
        url,
        '--include-pattern',
        'public.*',
        '--exclude-pattern',
        '{schema_migrations,inbound_payloads_*}',
      ],
      ...['--type-mapping', JSON.stringify({ int8: 'number', xid8: 'string', json: 'unknown' })],
      ...['--overrides', JSON.stringify({ columns })],
      ...['--out-file', TABLE_TYPES, ...(options.verify ? ['--verify'] : [])],
    ],
    { cwd: ROOT },
  )
  const columnTypes = await readColumnTypes(url)
  if (!options.verify) await writeFile(COLUMN_TYPES, columnTypes)
  else if ((await readFile(COLUMN_TYPES, 'utf8')) !== columnTypes) throw new Error(`${COLUMN_TYPES} is not up to date`)
}

async function readColumnTypes(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query<{ name: string; columns: string[] }>(`
    select c.relname as name,
      array_agg(format('    %s: ''%s'',', a.attname, format_type(a.atttypid, null)) order by a.attname) as columns
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = 'public'::regnamespace
      and c.relname <> 'schema_migrations'
    group by c.relname order by c.relname`)
  await client.end()
  const tables = rows.map(({ name, columns }) => `  ${name}: {\n${columns.join('\n')}\n  },`)
  return `// Written by \`npm run db:types\` from a migrated database; never edited.\nexport const COLUMN_TYPES = {\n${tables.join('\n')}\n} as const\n`
}
