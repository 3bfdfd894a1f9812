import { type Availability, availabilityAt } from './person.ts'

export const ASSIGNMENT_REASONS = [
  'assigned',
  'claimed',
  'next',
  'auto',
  'unassigned',
  'claim_lapsed',
  'out_of_office',
  'disabled',
  'not_visible',
  'owner_absent',
] as const
export type AssignmentReason = (typeof ASSIGNMENT_REASONS)[number]

export const ROUTING_MODES = ['manual', 'round_robin', 'least_loaded'] as const
export type RoutingMode = (typeof ROUTING_MODES)[number]

/** How conversations of an inbox find an owner by themselves. */
export type Routing = {
  mode: RoutingMode
  /** Only to people with `required_skills`, and with those that `tag_skills` names for the conversation's tags. */
  match_skills: boolean
  required_skills: string[]
  tag_skills: Record<string, string>
  /** Rather to people who speak the conversation's language; where none of them can take it, to anybody. */
  match_language: boolean
  /** Rather to whoever answered this customer last. */
  returning_customer: boolean
}

export const MANUAL: Routing = {
  mode: 'manual',
  match_skills: false,
  required_skills: [],
  tag_skills: {},
  match_language: false,
  returning_customer: false,
}

/** Somebody who works in the inbox, as they are now. */
export type Candidate = {
  id: string
  availability: Availability
  out_of_office_until: Date | null
  skills: string[]
  languages: string[]
  /** null: as many as there are. */
  capacity: number | null
  /** How many open, pending and snoozed conversations they own, in all inboxes. */
  load: number
  /** Lowest for whoever was given something the longest time ago. */
  turn: number
}

export const ROUTING_RULES = ['returning_customer', 'least_loaded', 'round_robin'] as const
export const EXCLUSIONS = ['away', 'out_of_office', 'at_capacity', 'skills', 'language'] as const
type Exclusion = (typeof EXCLUSIONS)[number]

/** What spoke for or against somebody: `excluded` is the first thing that did, null for those who could have had it. */
export type Considered = { user_id: string; load: number; excluded: Exclusion | null }
export type RoutingDecision = {
  rule: (typeof ROUTING_RULES)[number]
  user_id: string
  considered: Considered[]
}

/** What a conversation asks of its owner. */
export type Wanted = { tags: string[]; language: string | null; last_answered_by: string | null }

/**
 * Whom a conversation goes to, by the rules of its inbox; undefined where nobody can take it now. Whoever is away or has
 * as much as they can take is out, then whoever lacks a skill; of the others first whoever answered this customer last,
 * then those who speak the language where any do, then the fewest conversations or the longest time since the last turn.
 */
export function chooseOwner(
  routing: Routing,
  candidates: Candidate[],
  wanted: Wanted,
  now: Date,
): RoutingDecision | undefined {
  const skills = routing.match_skills ? skillsWanted(routing, wanted.tags) : []
  const language = routing.match_language ? wanted.language : null
  const excluded = new Map(candidates.map(person => [person.id, whyNot(person, skills, now)]))
  const able = candidates.filter(({ id }) => excluded.get(id) === null)
  if (able.length === 0) return undefined
  const decide = (rule: RoutingDecision['rule'], user_id: string): RoutingDecision => ({
    rule,
    user_id,
    considered: candidates.map(({ id, load }) => ({ user_id: id, load, excluded: excluded.get(id) ?? null })),
  })
  const known = routing.returning_customer && able.find(({ id }) => id === wanted.last_answered_by)
  if (known) return decide('returning_customer', known.id)
  const speakers = language ? able.filter(person => speaks(person, language)) : []
  if (speakers.length > 0) {
    for (const person of able) if (!speakers.includes(person)) excluded.set(person.id, 'language')
  }
  const left = speakers.length > 0 ? speakers : able
  const least = routing.mode === 'least_loaded'
  const [first] = left.toSorted((a, b) => (least ? a.load - b.load : 0) || a.turn - b.turn || (a.id < b.id ? -1 : 1))
  return decide(least ? 'least_loaded' : 'round_robin', first!.id)
}

function skillsWanted({ required_skills, tag_skills }: Routing, tags: string[]): string[] {
  const named = new Set(tags.map(key))
  const byTag = Object.entries(tag_skills).filter(([tag]) => named.has(key(tag)))
  return [...required_skills, ...byTag.map(([, skill]) => skill)].map(key)
}

function whyNot(person: Candidate, skills: string[], now: Date): Exclusion | null {
  const { availability } = availabilityAt(person, now)
  if (availability !== 'available') return availability
  if (person.capacity !== null && person.load >= person.capacity) return 'at_capacity'
  const has = new Set(person.skills.map(key))
  return skills.every(skill => has.has(skill)) ? null : 'skills'
}

/** Whoever speaks Portuguese reads Brazilian Portuguese. */
const speaks = ({ languages }: Candidate, language: string) => {
  const primary = (tag: string) => tag.split('-')[0]!.toLowerCase()
  return languages.some(spoken => primary(spoken) === primary(language))
}

const key = (text: string) => text.normalize('NFC').toLowerCase()

/** A decision in words, said to whom it fell upon. */
export function explainDecision({ rule, user_id, considered }: RoutingDecision): string {
  const able = considered.filter(({ excluded }) => excluded === null)
  const load = considered.find(person => person.user_id === user_id)?.load ?? 0
  const others = able.length === 1 ? 'You were the only one who could take it' : undefined
  switch (rule) {
    case 'returning_customer':
      return 'You answered this customer last.'
    case 'least_loaded':
      return `${others ?? `You had the fewest conversations (${load}) of the ${able.length} people who could take it`}.`
    case 'round_robin':
      return `${others ?? `It was your turn among the ${able.length} people who could take it`}.`
    default:
      return rule satisfies never
  }
}
