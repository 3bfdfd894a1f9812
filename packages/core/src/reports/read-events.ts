import type { EventRow, ReportFact } from '@parley/db'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Who is given the credit for something: who owned the conversation then, and for which team. */
export type ReportCredit = Pick<ReportFact, 'team_id' | 'user_id'>

/** Something that happened once, before it is known where. */
export type Happening = Pick<ReportFact, 'kind' | 'id' | 'at'> & ReportCredit & { conversation_id: string }
export type Parked = Pick<ReportFact, 'id' | 'at' | 'channel_id'>

/** What events say that reports have to look at. */
export type ReportNews = {
  message_ids: Set<string>
  /** Where all that is counted may belong elsewhere now: to another conversation, post or tag. */
  conversation_ids: Set<string>
  /** Who was erased. */
  contact_ids: Set<string>
  /** Of replies that were sent. */
  credits: Map<string, ReportCredit>
  happenings: Happening[]
  parked: Parked[]
}

type Data = Record<string, unknown>

/** Reads a page of the log for what concerns reports. */
export function readReportNews(events: EventRow[]): ReportNews {
  const news: ReportNews = {
    message_ids: new Set(),
    conversation_ids: new Set(),
    contact_ids: new Set(),
    credits: new Map(),
    happenings: [],
    parked: [],
  }
  for (const event of events) readEvent(news, event)
  return news
}

function readEvent(news: ReportNews, { id, type, at, conversation_id, data: told, previous: before }: EventRow): void {
  const data = (told ?? {}) as Data
  const previous = (before ?? {}) as Data
  const happened = (kind: Happening['kind'], fact_id = id, credit = NOBODY) => {
    if (conversation_id) news.happenings.push({ kind, id: fact_id, at, conversation_id, ...credit })
  }
  // Whatever names a message may have changed what is counted of it: all of them are looked at as they stand now.
  if (/^(message|reply|action)\./.test(type)) addIds(news.message_ids, data.message_id)
  switch (type) {
    case 'reply.sent':
      if (isId(data.message_id)) news.credits.set(data.message_id, creditIn(data))
      break
    case 'message.deleted':
      addIds(news.message_ids, data.echo_of)
      break
    case 'conversation.created':
      // Who asked for a backfill created nothing.
      if (conversation_id && data.history !== true) happened('created', conversation_id)
      break
    case 'conversation.resolved':
      happened('resolved', id, creditIn(data))
      break
    case 'conversation.reopened':
      // It is told as well of one that was pending or asleep.
      if (previous.status === 'resolved') happened('reopened')
      break
    case 'conversation.tagged':
    case 'conversation.untagged':
    case 'conversation.merged':
    case 'conversation.split':
      for (const moved of [conversation_id, data.from_id, data.into_id]) addIds(news.conversation_ids, moved)
      break
    case 'contact.erased':
      for (const erased of [data.contact_id, data.contact_ids]) addIds(news.contact_ids, erased)
      break
    case 'event.parked':
      if (isId(data.channel_id)) news.parked.push({ id, at, channel_id: data.channel_id })
      break
  }
  const moves = 'post_id' in data || [data.status, previous.status].includes('spam')
  if (type === 'conversation.updated' && moves) addIds(news.conversation_ids, conversation_id)
}

const NOBODY: ReportCredit = { team_id: null, user_id: null }
const creditIn = ({ team_id, assignee_id }: Data): ReportCredit => ({
  team_id: isId(team_id) ? team_id : null,
  user_id: isId(assignee_id) ? assignee_id : null,
})

const isId = (value: unknown): value is string => typeof value === 'string' && UUID.test(value)

function addIds(ids: Set<string>, value: unknown): void {
  for (const id of Array.isArray(value) ? value : [value]) if (isId(id)) ids.add(id)
}
