import type pg from 'pg'
import { TEXTS } from './corpus.ts'
import { dropIndexes } from './drop-indexes.ts'
import { FACETS, fillFacets } from './inbox-facets.ts'
import { idOf, uuidOf } from './made-ids.ts'
import type { Place } from './planned-messages.ts'

const SLICE = 100_000
const MESSAGES = 5
/** Each began and was spoken in a second after the one before. */
const age = (count: number) => `interval '1 second' * (${count} - n)`

/** Of a message, as SQL over a conversation's number and the message's within it. */
const index = `(n * ${MESSAGES} + m)`
const WORDS = { refund: 100, warranty: 10_000 }
/** Every text ends in words that few others have: every hundredth, every ten thousandth, and one that is its own. */
const words = `concat(${Object.entries(WORDS)
  .map(([word, every]) => `case ${index} % ${every} when 7 then ' ${word}' end, `)
  .join('')}' nr' || ${index})`

/** What to look for in an inbox of so many conversations, from what most texts have to what one has. */
export const searchedWords = (count: number): Record<'common' | 'frequent' | 'rare' | 'single', string> => ({
  ...{ common: 'order', frequent: 'refund', rare: 'warranty' },
  single: `nr${Math.ceil(count / 2) * MESSAGES + 1}`,
})

/** How many of so many conversations are open. */
export const openIn = (count: number) => Math.floor(count / 20)

export const conversationIdAt = (n: number) => idOf(2, n)

/**
 * Fills an inbox with `count` conversations of five messages each: one in twenty is open and waits under a promise, one
 * in twenty is pending, the rest are resolved and mostly somebody's. The search index has what the texts say. Takes a superuser: foreign keys are not checked.
 */
export async function fillInbox(
  client: pg.Client,
  { workspace_id, inbox_id, channel_id }: Place,
  count: number,
  say: (line: string) => void,
): Promise<void> {
  await client.query('set session_replication_role = replica; set synchronous_commit = off; set jit = off')
  await client.query("set maintenance_work_mem = '512MB'")
  const indexes = await dropIndexes(client, ['messages', 'search_documents'])
  const now = `'${new Date().toISOString()}'::timestamptz`
  const people = Math.ceil(count / 5)
  await client.query(`
    insert into contacts (workspace_id, id, name, created_at, updated_at)
    select '${workspace_id}', ${uuidOf(1, 'n')}, 'Zoë Müller ' || n, ${now}, ${now} from generate_series(1, ${people}) n`)
  await client.query(`
    insert into conversations (workspace_id, id, number, inbox_id, channel_id, contact_id, thread_key, status,
      ${Object.keys(FACETS).join(', ')}, waiting_since, next_due_at, first_message_at, first_external_id, last_message_at, created_at, updated_at)
    select '${workspace_id}', ${uuidOf(2, 'n')}, n, '${inbox_id}', '${channel_id}', ${uuidOf(1, `1 + n % ${people}`)},
      'thread-' || n, case n % 20 when 0 then 'open' when 1 then 'pending' else 'resolved' end,
      ${Object.values(FACETS).join(', ')}, case n % 20 when 0 then ${now} - ${age(count)} end,
      case n % 20 when 0 then ${now} - ${age(count)} + interval '4 hours' end,
      ${now} - ${age(count)}, 'first-' || n, ${now} - ${age(count)}, ${now} - ${age(count)}, ${now} - ${age(count)}
    from generate_series(1, ${count}) n`)
  await client.query(`
    insert into conversation_counts (workspace_id, inbox_id, channel_id, status, priority, assignee_id, team_id, waiting, count)
    select workspace_id, inbox_id, channel_id, status, priority, assignee_id, team_id, waiting_since is not null, count(*)
    from conversations group by 1, 2, 3, 4, 5, 6, 7, 8`)
  await fillFacets(client, { workspace_id, channel_id }, count, now)
  say(`inbox: ${count} conversations are there`)
  const { rows: told } = await client.query(
    "select array_agg(to_tsvector('parley_search', body) order by n)::text[] as terms from unnest($1::text[]) with ordinality t (body, n)",
    [TEXTS],
  )
  const terms = told[0].terms
  for (let first = 1; first <= count; first += SLICE) {
    const last = Math.min(count, first + SLICE - 1)
    await client.query(
      `insert into messages (workspace_id, id, conversation_id, channel_id, direction, kind, visibility, state,
         author_type, contact_id, body, external_id, occurred_at, received_at, processed_at, version_at)
       select '${workspace_id}', ${uuidOf(3, index)}, ${uuidOf(2, 'n')}, '${channel_id}', 'inbound',
         'comment', 'public', 'received', 'contact', ${uuidOf(1, `1 + n % ${people}`)},
         ($1::text[])[1 + ${index} % ${TEXTS.length}] || ${words}, 'message-' || n || '-' || m, at, at, at, at
       from generate_series(${first}, ${last}) n, generate_series(1, ${MESSAGES}) m,
         lateral (select ${now} - ${age(count)} - interval '1 minute' * (${MESSAGES} - m) as at) t`,
      [TEXTS],
    )
    // As indexMessages writes them, but each text is taken apart once.
    await client.query(
      `insert into search_documents (workspace_id, id, kind, conversation_id, contact_id, at, day, terms)
       select '${workspace_id}', ${uuidOf(3, index)}, 'message', ${uuidOf(2, 'n')}, ${uuidOf(1, `1 + n % ${people}`)},
         at, floor(extract(epoch from at) / 86400)::integer,
         ($1::tsvector[])[1 + ${index} % ${TEXTS.length}] || to_tsvector('parley_search', ${words})
       from generate_series(${first}, ${last}) n, generate_series(1, ${MESSAGES}) m,
         lateral (select ${now} - ${age(count)} - interval '1 minute' * (${MESSAGES} - m) as at) t`,
      [terms],
    )
    say(`inbox: ${last * MESSAGES} of ${count * MESSAGES} messages are there`)
  }
  for (const definition of indexes) await client.query(definition)
  say('inbox: the indexes are there')
  await client.query('vacuum (analyze)')
}
