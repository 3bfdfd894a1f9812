import { randomUUID } from 'node:crypto'
import type { ConnectorEvent } from '@parley/contracts'
import {
  ALL_LANES,
  acceptInbound,
  applyInbound,
  beginSendAttempt,
  CLOCK_REPORTS_FEED,
  changeConversation,
  countClocks,
  countEvents,
  dismissMessage,
  finishSendAttempt,
  ledgerEntries,
  queueReply,
  REPORTS_FEED,
  tagConversation,
} from '@parley/core'
import {
  claimPendingEvents,
  createFeedCursor,
  type EventRow,
  findChannel,
  findConversation,
  insertUser,
  moveFeedCursor,
  newId,
  type Trx,
  takeConversationNumbers,
} from '@parley/db'
import { capabilities } from '@parley/testing'
import { sql } from 'kysely'
import type { TestApi } from './helper.ts'

type Said = { channel: { id: string }; thread: string; by: string; at: Date; text?: string; received_at?: Date }

/** What happens in our workspace, by the product's own use cases. */
export function openWeek(api: TestApi) {
  const run = <T>(work: (trx: Trx) => Promise<T>): Promise<T> => api.db.inWorkspace(api.ours.workspace_id, work)
  const agents = new Map<string, { type: 'user'; id: string }>()

  const agent = async (name: string) => {
    const known = agents.get(name) ?? { type: 'user' as const, id: newId(api.clock.now) }
    if (!agents.has(name))
      await run(trx => insertUser(trx, { id: known.id, name, role: 'agent', created_at: api.clock.now }))
    agents.set(name, known)
    return known
  }

  const deliver = (channel_id: string, events: ConnectorEvent[], now: Date) =>
    run(async trx => {
      const channel = (await findChannel(trx, channel_id))!
      const received = events.map(payload => ({ dedup_key: randomUUID(), thread_key: null, payload }))
      await acceptInbound(trx, ledgerEntries(channel_id, received, 'webhook', now))
      const rows = await claimPendingEvents(trx, channel_id, ALL_LANES, 1000)
      const batch = rows.map(({ payload, ...row }) => ({ ...row, event: payload as ConnectorEvent }))
      const numbers = await takeConversationNumbers(trx, events.length)
      let given = 0
      const nextNumber = () => {
        given += 1
        return numbers + given - 1
      }
      await applyInbound(trx, channel, batch, nextNumber, now)
    })

  /** Somebody writes; the id of the message is given. Ours where nobody is named: in the network's own app. */
  const say = async ({ channel, thread, by, at, text = 'Where is it?', received_at = at }: Said, from_us = false) => {
    const external_id = randomUUID()
    const author = { external_id: by, handle: by, display_name: null, avatar_url: null }
    const times = { occurred_at: at.toISOString(), version_at: at.toISOString() }
    const thread_key = thread
    const nothing = { parent_external_id: null, html: null, text_marks: [], subject: null, permalink: null }
    const rest = { from_us, send_token: null, reply_context: null, kind: 'comment', visibility: 'public' }
    const event = { type: 'message', external_id, thread_key, author, text, ...times, ...nothing, ...rest }
    await deliver(channel.id, [event as unknown as ConnectorEvent], received_at)
    const message = await run(trx =>
      trx.selectFrom('messages').selectAll().where('external_id', '=', external_id).executeTakeFirstOrThrow(),
    )
    return { ids: { conversation_id: message.conversation_id, message_id: message.id }, ...message }
  }

  /** Somebody of ours answers, and the network takes it then. */
  const answer = async (conversation_id: string, name: string, at: Date, body: string) => {
    const author = await agent(name)
    const draft = { conversation_id, author, body, force: true, resolve_after: false }
    const delivery = () => ({ capabilities: capabilities(), pulled: false, countedText: (text: string) => text })
    const [queued] = await run(trx => queueReply(trx, draft, delivery, at))
    const attempt = await run(trx => beginSendAttempt(trx, queued!.id, {}, null, at))
    const sent = { outcome: 'sent' as const, external_id: randomUUID(), accepted_at: at, permalink: null }
    await run(trx => finishSendAttempt(trx, attempt!, sent, at))
    return queued!
  }

  const set = (id: string, status: 'resolved' | 'spam' | 'open', name: string, at: Date) =>
    agent(name).then(actor =>
      run(async trx => {
        const { version } = (await findConversation(trx, id))!
        await changeConversation(trx, id, { status }, version, actor, at)
      }),
    )
  const dismiss = async (ids: { conversation_id: string; message_id: string }, reason: string, at: Date) => {
    const actor = await agent('Ben')
    return run(trx => dismissMessage(trx, ids, { reason, as: 'no_reply_needed' }, actor, at))
  }
  const tag = async (id: string, name: string, at: Date) => {
    const actor = await agent('Ben')
    await run(trx => tagConversation(trx, id, name, actor, at))
  }

  return { run, agent, say, answer, set, dismiss, tag, deliver, count: () => countAll(api) }
}

const COUNTING = { [REPORTS_FEED]: countEvents, [CLOCK_REPORTS_FEED]: countClocks }

/** Counts what there is in the log of our workspace, from where that was left. */
export async function countAll(api: TestApi, limit = 10_000): Promise<void> {
  for (const [consumer, count] of Object.entries(COUNTING))
    await api.db.inWorkspace(api.ours.workspace_id, async trx => {
      await createFeedCursor(trx, consumer, 'beginning', api.clock.now)
      const { rows } = await sql<EventRow>`
        select e.* from events e, feed_cursors c where c.consumer = ${consumer} and (e.xact, e.seq) > (c.xact, c.seq)
        order by e.xact, e.seq limit ${limit}`.execute(trx)
      const to = rows.at(-1)
      if (!to) return
      await count(trx, rows, api.clock.now)
      await moveFeedCursor(trx, consumer, { to, handled: rows.length }, api.clock.now)
    })
}
