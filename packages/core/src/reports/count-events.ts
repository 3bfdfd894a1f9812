import { isDeepStrictEqual } from 'node:util'
import {
  addToSums,
  countTurns,
  type EventRow,
  getReportBuild,
  listChannelInboxes,
  listFacts,
  listFactsOfConversations,
  listReportable,
  listReportPlaces,
  listTouched,
  putFacts,
  type ReportableMessage,
  type ReportFact,
  type ReportPlace,
  removeFacts,
  type Trx,
} from '@parley/db'
import { ERASED_MARK } from '../erasure/messages.ts'
import { messageFact, NOTHING_ELSE, replyFact } from './facts-of.ts'
import { type ReportCredit, type ReportNews, readReportNews } from './read-events.ts'
import { changesOf } from './sum-changes.ts'
import { sumsOf } from './sums-of.ts'

/**
 * Brings what reports count level with what these events are about. Messages are read as they stand now; when something
 * happened once, and who gets the credit for it, is as the event says. Counting an event twice or late is the same as
 * once. A fixed number of statements, however many events.
 */
export async function countEvents(trx: Trx, events: EventRow[], now: Date): Promise<void> {
  const news = readReportNews(events)
  const build = await getReportBuild(trx, now)
  const messages = await readMessages(trx, build, news)
  const happened = await readHappenings(trx, build, news, turnedIn(messages))
  const parked = await readParked(trx, build, news)
  const before = byKey([...messages.before, ...happened.before, ...parked.before])
  const after = byKey([...messages.after, ...happened.after, ...parked.after])
  const gone = [...before.values()].filter(fact => !after.has(keyOf(fact)))
  const changed = [...after.values()].filter(fact => !isDeepStrictEqual(before.get(keyOf(fact)), fact))
  const taken = changed.flatMap(fact => before.get(keyOf(fact)) ?? [])
  await removeFacts(trx, build, gone)
  await putFacts(trx, build, changed)
  await addToSums(trx, 'report_sums', build, changesOf(sumsOf, ['count', 'total'], [...gone, ...taken], changed))
}

type Compared = { before: ReportFact[]; after: ReportFact[] }

const keyOf = ({ kind, id }: ReportFact) => `${kind} ${id}`
const byKey = (facts: ReportFact[]) => new Map(facts.map(fact => [keyOf(fact), fact]))

async function readMessages(trx: Trx, build: number, news: ReportNews): Promise<Compared> {
  const named = [news.message_ids, news.conversation_ids, news.contact_ids]
  if (named.every(({ size }) => size === 0)) return { before: [], after: [] }
  const [message_ids, conversation_ids, contact_ids] = named.map(ids => [...ids]) as [string[], string[], string[]]
  const ids = await listTouched(trx, build, { message_ids, conversation_ids, contact_ids })
  const [rows, counted] = await Promise.all([
    listReportable(trx, build, ids, ERASED_MARK),
    listFacts(trx, build, ['message', 'reply'], ids),
  ])
  const before = counted.map(bare)
  const known = new Map(before.filter(({ kind }) => kind === 'reply').map(fact => [fact.id, fact]))
  const replies = rows
    .filter(({ direction }) => direction === 'outbound')
    .map(row => replyFact(row, news.credits.get(row.id) ?? known.get(row.id) ?? NOBODY))
  const sent = new Map(replies.map(fact => [fact.id, fact]))
  const said = rows
    .filter(({ direction }) => direction === 'inbound')
    .map(row => messageFact(row, answererOf(row, sent.get(row.answered_by_id ?? ''))))
  return { before, after: [...replies, ...said] }
}

const NOBODY: ReportCredit = { team_id: null, user_id: null }

function answererOf({ answer_team_id, answer_user_id }: ReportableMessage, reply: ReportFact | undefined) {
  const { team_id, user_id } = reply ?? { team_id: answer_team_id, user_id: answer_user_id }
  return { team_id, user_id }
}

/** The conversations in which another number of waits is answered, or may be. */
function turnedIn({ before, after }: Compared): Set<string> {
  const waits = (facts: ReportFact[]) =>
    new Set(facts.flatMap(({ id, conversation_id, wait_ms }) => (wait_ms === null ? [] : `${conversation_id} ${id}`)))
  const [then, now] = [waits(before), waits(after)]
  const differing = [...[...then].filter(wait => !now.has(wait)), ...[...now].filter(wait => !then.has(wait))]
  return new Set(differing.map(wait => wait.split(' ')[0]!))
}

async function readHappenings(trx: Trx, build: number, news: ReportNews, turned: Set<string>): Promise<Compared> {
  const about = new Set([...news.conversation_ids, ...turned, ...news.happenings.map(row => row.conversation_id)])
  if (about.size === 0) return { before: [], after: [] }
  const before = (await listFactsOfConversations(trx, build, [...about])).map(bare)
  const facts = new Map(before.map(fact => [keyOf(fact), fact]))
  for (const happening of news.happenings) {
    const fact = { ...NOTHING_ELSE, ...NOWHERE, ...happening }
    facts.set(keyOf(fact), fact)
  }
  const created = [...facts.values()].filter(({ kind }) => kind === 'created').map(({ id }) => id)
  const [places, turns] = await Promise.all([listReportPlaces(trx, [...about]), countTurns(trx, created)])
  const placeOf = new Map(places.map(place => [place.id, place]))
  const after = [...facts.values()].flatMap(fact => placed(fact, placeOf.get(fact.conversation_id!), turns))
  return { before, after }
}

async function readParked(trx: Trx, build: number, { parked }: ReportNews): Promise<Compared> {
  if (parked.length === 0) return { before: [], after: [] }
  const ids = parked.map(({ id }) => id)
  const channels = [...new Set(parked.map(({ channel_id }) => channel_id))]
  const [counted, inboxes] = await Promise.all([
    listFacts(trx, build, ['parked'], ids),
    listChannelInboxes(trx, channels),
  ])
  const after = parked.flatMap(event => {
    const inbox_id = inboxes.get(event.channel_id)
    return inbox_id ? [{ ...NOTHING_ELSE, ...NOWHERE, ...event, kind: 'parked', inbox_id }] : []
  })
  return { before: counted.map(bare), after }
}

const NOWHERE = { conversation_id: null, inbox_id: '', channel_id: '', post_id: null, tag_ids: [] }

function placed(fact: ReportFact, place: ReportPlace | undefined, turns: Map<string, number>): ReportFact[] {
  if (!place) return []
  const { id: _, ...where } = place
  return [{ ...fact, ...where, turns: fact.kind === 'created' ? (turns.get(fact.id) ?? 0) : null }]
}

/** Without the columns that are the same for all. */
function bare({ workspace_id: _, build: __, ...fact }: ReportFact & { workspace_id?: string; build?: number }) {
  return fact
}
