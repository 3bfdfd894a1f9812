import { randomUUID } from 'node:crypto'
import type {
  ConnectorAttachment,
  ConnectorAuthor,
  ConnectorDeletion,
  ConnectorEvent,
  ConnectorMessage,
} from '@parley/contracts'
import {
  ALL_LANES,
  acceptInbound,
  applyInbound,
  beginSendAttempt,
  changeConversation,
  createCalendar,
  createPolicy,
  type Delivery,
  finishSendAttempt,
  ledgerEntries,
  queueReply,
  type ReplyOutcome,
} from '@parley/core'
import {
  type Channel,
  type Conversation,
  claimPendingEvents,
  type Database,
  type InboundEvent,
  type InboundSource,
  insertChannel,
  insertInbox,
  insertUser,
  insertWorkspace,
  type Message,
  newId,
  type SlaClock,
  type Trx,
  updateInbox,
  type Wait,
} from '@parley/db'
import { type ConversationStatus, type SlaTargets, SYSTEM } from '@parley/domain'
import { capabilities, testDatabase } from '@parley/testing'
import type { Test } from 'tap'

/** A time of the Monday on which these tests happen. */
export const at = (time: string) => new Date(`2026-03-02T${time}Z`)
/** When channels were connected. */
export const CONNECTED = at('08:00:00')

export const author = (external_id: string, fields: Partial<ConnectorAuthor> = {}): ConnectorAuthor => ({
  external_id,
  handle: external_id,
  display_name: null,
  avatar_url: null,
  ...fields,
})

/** A comment of Ana's in the thread `t-1`, said at `time` and not edited since. */
export function message(
  external_id: string,
  time: string,
  {
    author: by = 'ana',
    ...fields
  }: Partial<Omit<ConnectorMessage, 'author'>> & { author?: string | ConnectorAuthor } = {},
): ConnectorMessage {
  return {
    type: 'message',
    external_id,
    thread_key: 't-1',
    parent_external_id: null,
    kind: 'comment',
    visibility: 'public',
    author: typeof by === 'string' ? author(by) : by,
    text: `the text of ${external_id}`,
    html: null,
    text_marks: [],
    subject: null,
    permalink: null,
    occurred_at: at(time).toISOString(),
    version_at: at(time).toISOString(),
    from_us: false,
    send_token: null,
    reply_context: null,
    ...fields,
  }
}

export const file = (name: string, fields: Partial<ConnectorAttachment> = {}): ConnectorAttachment => ({
  external_id: name,
  url: `https://files.example.com/${name}`,
  blob_key: null,
  media_type: 'image/png',
  filename: `${name}.png`,
  alt_text: null,
  byte_size: null,
  inline: false,
  ...fields,
})

export const deletion = (external_id: string, time: string): ConnectorDeletion => ({
  type: 'deletion',
  external_id,
  version_at: at(time).toISOString(),
})

const ALWAYS = [1, 2, 3, 4, 5, 6, 7].map(weekday => ({ weekday, opens: '00:00', closes: '24:00' }))

export type SlaTerms = {
  first?: number | null
  next?: number | null
  targets?: SlaTargets
  enforce_from?: Date
  top_level_reply_answers_all?: boolean
  weekly?: { weekday: number; opens: string; closes: string }[]
  time_zone?: string
}

type Rows = {
  messages: Message
  conversations: Conversation
  waits: Wait
  sla_clocks: SlaClock
  inbound_events: InboundEvent
  contacts: { id: string; name: string }
}

export type Inbox = Awaited<ReturnType<typeof openInbox>>

/** A database for a file of tests; each test opens its own workspace in it. */
export async function openInboxes(t: Test) {
  const { db, url } = await testDatabase(t)
  return { url, db, openInbox: () => openInbox(db) }
}

/** A workspace of the test's own, with what the tests of use cases do to it. */
export async function openInbox(db: Database) {
  const [workspace_id, inbox_id, agent_id] = [randomUUID(), randomUUID(), randomUUID()]
  const run = <T>(work: (trx: Trx) => Promise<T>): Promise<T> => db.inWorkspace(workspace_id, work)
  await run(async trx => {
    await insertWorkspace(trx, { id: workspace_id, name: 'Shop', created_at: CONNECTED })
    await insertUser(trx, { id: agent_id, name: 'Agent', role: 'agent', created_at: CONNECTED })
    await insertInbox(trx, { id: inbox_id, name: 'Inbox', created_at: CONNECTED })
  })
  const agent = { type: 'user' as const, id: agent_id }
  let number = 0
  const nextNumber = () => {
    number += 1
    return number
  }

  const addChannel = (fields: Partial<Pick<Channel, 'kind' | 'connected_at' | 'status'>> = {}) =>
    run(trx =>
      insertChannel(trx, {
        id: randomUUID(),
        inbox_id,
        kind: 'generic',
        name: 'Shop',
        status: 'active',
        settings: '{}',
        credentials_sealed: Buffer.alloc(0),
        connected_at: CONNECTED,
        created_at: CONNECTED,
        ...fields,
      }),
    )

  /** Puts events through the ledger as one batch that is received and applied at `now`. */
  const deliver = (channel: Channel, events: ConnectorEvent[], now: Date, source: InboundSource = 'webhook') =>
    run(async trx => {
      const received = events.map(payload => ({ dedup_key: randomUUID(), thread_key: null, payload }))
      await acceptInbound(trx, ledgerEntries(channel.id, received, source, now))
      const rows = await claimPendingEvents(trx, channel.id, ALL_LANES, 1000)
      const batch = rows.map(({ payload, ...row }) => ({ ...row, event: payload as ConnectorEvent }))
      await applyInbound(trx, channel, batch, nextNumber, now)
    })

  /** Sets what the inbox promises; both targets are an hour, around the clock, unless said otherwise. */
  const promise = (given: SlaTerms = {}) =>
    run(async trx => {
      const definition = { time_zone: given.time_zone ?? 'UTC', weekly: given.weekly ?? ALWAYS, holidays: [] }
      const calendar = await createCalendar(trx, { name: randomUUID(), definition }, SYSTEM, CONNECTED)
      const draft = {
        name: randomUUID(),
        calendar_id: calendar.id,
        ...{ position: 100, enabled: true, conditions: null },
        targets: {
          ...(given.first !== null && { first_response: { seconds: given.first ?? 3600 } }),
          ...(given.next !== null && { next_response: { seconds: given.next ?? 3600 } }),
          ...given.targets,
        },
        top_level_reply_answers_all: given.top_level_reply_answers_all,
        enforce_from: given.enforce_from ?? new Date(0),
      }
      const policy = await createPolicy(trx, draft, SYSTEM, CONNECTED)
      await updateInbox(trx, inbox_id, { sla_policy_id: policy.id })
      return policy
    })

  /** All rows of a table, in the order in which they were made. */
  const everything = <T extends keyof Rows>(table: T): Promise<Rows[T][]> =>
    run(async trx => {
      // Every one of these tables is read alike; the builder cannot know that of a union.
      const rows: unknown[] = await trx
        .selectFrom(table as 'messages')
        .selectAll()
        .orderBy('id')
        .execute()
      return rows as Rows[T][]
    })

  /** The ledger's rows with what came. */
  const ledger = () =>
    run(trx =>
      trx
        .selectFrom('inbound_events as e')
        .innerJoin('inbound_payloads as p', 'p.id', 'e.id')
        .selectAll('e')
        .select('p.payload')
        .orderBy('e.id')
        .execute(),
    )

  const only = async <T extends keyof Rows>(table: T): Promise<Rows[T]> => {
    const rows = await everything(table)
    if (rows.length !== 1) throw new Error(`${rows.length} ${table} instead of one`)
    return rows[0]!
  }

  /** The types of the log, oldest first, without what was promised before. */
  const log = () =>
    run(async trx => {
      const rows = await trx.selectFrom('events').select('type').orderBy('seq').execute()
      return rows.map(row => row.type).filter(type => !/^(calendar|sla_policy)[.]/.test(type))
    })

  type Draft = Partial<Parameters<typeof queueReply>[1]>
  const reply = (conversation_id: string, now: Date, draft: Draft = {}, delivery: Partial<Delivery> = {}) =>
    run(trx =>
      queueReply(
        trx,
        {
          conversation_id,
          author: agent,
          body: 'It arrives today.',
          force: false,
          resolve_after: false,
          ...draft,
        },
        () => ({
          capabilities: capabilities(),
          pulled: false,
          countedText: text => text,
          ...delivery,
        }),
        now,
      ),
    ).then(([first]) => first!)

  /** Calls the network with a reply and records what it said. Sent, unless said otherwise. */
  const send = async (queued: Message, now: Date, outcome?: ReplyOutcome) => {
    const attempt = await run(trx => beginSendAttempt(trx, queued.id, {}, null, now))
    const sent = {
      outcome: 'sent' as const,
      external_id: `sent-${newId(now)}`,
      accepted_at: now,
      permalink: null,
    }
    return run(trx => finishSendAttempt(trx, attempt!, outcome ?? sent, now))
  }

  return {
    db,
    workspace_id,
    inbox_id,
    agent,
    run,
    nextNumber,
    addChannel,
    deliver,
    promise,
    everything,
    ledger,
    only,
    log,
    reply,
    send,
  }
}

/** Somebody changes the status of the only conversation there is. */
export async function setStatus(inbox: Inbox, status: Exclude<ConversationStatus, 'snoozed'>, now: Date) {
  const { id, version } = await inbox.only('conversations')
  await inbox.run(trx => changeConversation(trx, id, { status }, version, inbox.agent, now))
}
