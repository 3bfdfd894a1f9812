import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
export const TABLE_TYPES = `${ROOT}packages/db/src/tables.generated.ts`

/** Columns whose check constraint is a list of words that the domain names. */
const WORDS = {
  'api_keys.role': 'Role',
  'channels.kind': 'ChannelKind',
  'channels.status': 'ChannelStatus',
  'conversations.status': 'ConversationStatus',
  'events.actor_type': 'ActorType',
  'messages.author_type': 'AuthorType',
  'messages.direction': 'MessageDirection',
  'messages.state': 'MessageState',
  'messages.visibility': 'Visibility',
  'sla_clocks.metric': 'SlaMetric',
  'sla_clocks.state': 'ClockState',
  'users.role': 'Role',
}

const WITH_DEFAULT = new Set(['conversations.status', 'sla_clocks.state'])

/** Runs kysely-codegen on a migrated database: writes the table types, or with `verify` fails when they differ. */
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
        'schema_migrations',
      ],
      ...['--type-mapping', JSON.stringify({ int8: 'number', xid8: 'string', json: 'unknown' })],
      ...['--overrides', JSON.stringify({ columns })],
      ...['--out-file', TABLE_TYPES, ...(options.verify ? ['--verify'] : [])],
    ],
    { cwd: ROOT },
  )
}
