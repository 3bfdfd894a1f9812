import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import type { CorpusMessage } from './corpus.ts'
import type { Channel } from './servers.ts'

const LOOK_EVERY_MS = 20
const GIVE_UP_MS = 300_000

/** Before its channel is connected nobody waits: this one was connected before any customer of the corpus wrote. */
export async function connectLongAgo(client: pg.Client, channel: Channel): Promise<void> {
  await client.query(`update channels set connected_at = now() - interval '30 days' where id = $1`, [channel.id])
}

/**
 * Waits until no event is pending: an event is closed in the transaction that makes its message visible. Counting the
 * messages instead would take a core's work away from those who make them; they are counted afterwards.
 */
export async function untilDrained(client: pg.Client, workspace_id: string, channel_id: string): Promise<void> {
  for (const start = performance.now(); ; await delay(LOOK_EVERY_MS)) {
    if (await isDrained(client, workspace_id, channel_id)) return
    if (performance.now() - start > GIVE_UP_MS) throw new Error('the events were not all applied in the end')
  }
}

export async function isDrained(client: pg.Client, workspace_id: string, channel_id: string): Promise<boolean> {
  const { rows } = await client.query(
    `select exists (select from inbound_events where workspace_id = $1 and channel_id = $2
       and state = 'pending') as pending`,
    [workspace_id, channel_id],
  )
  return !rows[0].pending
}

type Counts = { messages: number; conversations: number; waits: number; events: number; undone: number }

export async function countRows(client: pg.Client): Promise<Counts> {
  const { rows } = await client.query<Counts>(`
    select (select count(*)::int from messages) as messages, (select count(*)::int from conversations) as conversations,
      (select count(*)::int from waits) as waits,
      (select count(*)::int from events where conversation_id is not null) as events,
      (select count(*)::int from inbound_events where state <> 'done') as undone`)
  return rows[0]!
}

export function expectedRows(messages: CorpusMessage[]): Counts {
  const conversations = messages.filter(message => message.opens).length
  const waits = new Set(messages.map(message => `${message.thread_id} ${message.author.platform_id}`)).size
  return { messages: messages.length, conversations, waits, events: messages.length + conversations, undone: 0 }
}

/** A fast answer that is wrong is no answer. */
export function compare(after: Counts, before: Counts, expected: Counts): void {
  for (const name of Object.keys(expected) as (keyof Counts)[]) {
    const added = after[name] - before[name]
    if (added !== expected[name]) throw new Error(`${added} ${name} came of it, and not ${expected[name]}`)
  }
}

export function sumOf(counts: Counts[]): Counts {
  const names = Object.keys(counts[0]!) as (keyof Counts)[]
  return Object.fromEntries(names.map(name => [name, counts.reduce((sum, count) => sum + count[name], 0)])) as Counts
}
