import {
  findLastAnswerer,
  listSamePerson,
  lockCandidates,
  lockRoutable,
  lockRoutedInboxes,
  type Routable,
  setTurn,
  type Trx,
} from '@parley/db'
import { availabilityAt, type Candidate, chooseOwner, type Routing, SYSTEM } from '@parley/domain'
import { setOwner } from './set-owner.ts'

/** What triage may take to say which language somebody writes. */
const LANGUAGE_WAIT_MS = 5_000
/** Of each inbox at once, so that the conversations looked at are not locked for long. */
const BATCH = 100

/**
 * Gives open conversations that nobody owns to people, the most urgent first, as their inboxes say. What nobody can take
 * stays where it is until somebody can. One worker at a time does so in a workspace; another finds nothing to do.
 * Returns how many found an owner.
 */
export async function routeConversations(trx: Trx, now: Date): Promise<number> {
  let assigned = 0
  for (const { id, routing } of await lockRoutedInboxes(trx)) {
    assigned += await routeInbox(trx, id, routing, now)
  }
  return assigned
}

async function routeInbox(trx: Trx, inbox_id: string, routing: Routing, now: Date): Promise<number> {
  const candidates = await lockCandidates(trx, inbox_id)
  if (!candidates.some(person => takesMore(person, now))) return 0
  const spoken_before = routing.match_language ? new Date(now.getTime() - LANGUAGE_WAIT_MS) : now
  let assigned = 0
  let turn = Math.max(...candidates.map(person => person.turn))
  for (const conversation of await lockRoutable(trx, inbox_id, spoken_before, BATCH)) {
    const last_answered_by = routing.returning_customer ? await answererOf(trx, conversation) : null
    const { tags, language } = conversation
    const decision = chooseOwner(routing, candidates, { tags, language, last_answered_by }, now)
    if (!decision) continue
    const chosen = candidates.find(person => person.id === decision.user_id)!
    await setOwner(trx, conversation, { to: chosen.id, reason: 'auto', decision }, SYSTEM, now)
    turn += 1
    await setTurn(trx, inbox_id, chosen.id, turn)
    Object.assign(chosen, { turn, load: chosen.load + 1 })
    assigned += 1
  }
  return assigned
}

const takesMore = (person: Candidate, now: Date) =>
  availabilityAt(person, now).availability === 'available' &&
  (person.capacity === null || person.load < person.capacity)

async function answererOf(trx: Trx, { contact_id }: Routable): Promise<string | null> {
  return contact_id ? findLastAnswerer(trx, await listSamePerson(trx, contact_id)) : null
}
