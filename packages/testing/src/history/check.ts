import type { Database } from '@parley/db'
import type { Test } from 'tap'
import type { restClient } from '../client.ts'
import type { RecordEntry } from '../fake-network/record.ts'
import { expectedOf } from './expected.ts'
import { findDifferences } from './findings.ts'
import { readStored } from './stored.ts'

const SHOWN = 5

export type History = {
  db: Database
  workspace_id: string
  admin: ReturnType<typeof restClient>
  /** The channels to look at, by their names in the record. */
  channels: { name: string; id: string }[]
  record: RecordEntry[]
  seed: number
  /** How many events must have been parked; none by default. */
  parked?: number
}

/**
 * Compares the network's record with the database, invariant by invariant. To be called when the fault is over and
 * nothing is pending any more. A failure shows the seed and the first ids that differ.
 */
export async function checkHistory(t: Test, { db, workspace_id, admin, channels, record, seed, parked = 0 }: History) {
  let listed = 0
  for (const { name, id } of channels) {
    const expected = expectedOf(record, name)
    const stored = await db.inWorkspace(workspace_id, trx => readStored(trx, id))
    for (const [invariant, found] of Object.entries(findDifferences(expected, stored))) {
      const message = `${invariant} (${name}, seed ${seed}, ${found.length} of ${expected.emitted.size} differ)`
      t.same(found.slice(0, SHOWN), [], message)
    }
    listed += await countParked(admin, id)
    await checkFeed(t, admin, stored.messages, seed)
  }
  t.equal(listed, parked, `visible: every parked event is listed (seed ${seed})`)
}

async function countParked(admin: History['admin'], channel_id: string): Promise<number> {
  let count = 0
  for (let cursor = ''; ; ) {
    const { body } = await admin.get(`/v1/channels/${channel_id}/parked?limit=100${cursor}`)
    count += body.data.length
    if (!body.next_cursor) return count
    cursor = `&cursor=${encodeURIComponent(body.next_cursor)}`
  }
}

/** The longest conversation as an agent reads it. */
async function checkFeed(
  t: Test,
  admin: History['admin'],
  messages: { conversation_id: string; external_id: string; occurred_at: Date }[],
  seed: number,
) {
  const sizes = new Map<string, typeof messages>()
  for (const message of messages) {
    sizes.set(message.conversation_id, [...(sizes.get(message.conversation_id) ?? []), message])
  }
  const [longest] = [...sizes.values()].sort((a, b) => b.length - a.length)
  if (!longest) return
  const { body } = await admin.get(`/v1/conversations/${longest[0]!.conversation_id}/messages?limit=100`)
  const wanted = longest
    .toSorted((a, b) => a.occurred_at.getTime() - b.occurred_at.getTime() || (a.external_id < b.external_id ? -1 : 1))
    .map(message => message.external_id)
  const given = (body.data as { external_id: string }[]).map(message => message.external_id)
  t.same(given, wanted.slice(0, 100), `order: the API lists a conversation by time and then by id (seed ${seed})`)
}
