import type { Trx } from '@parley/db'
import type { Test } from 'tap'
import type { Act } from './agents.ts'
import type { World } from './world.ts'

type Row = {
  seq: number
  type: string
  actor_id: string | null
  conversation_id: string
  data: Data
  previous: Data | null
}
type Data = Record<string, string | null>

/** The log of each conversation in the order in which its lock was held: `seq` is drawn under it. */
async function readLog(trx: Trx): Promise<Map<string, Row[]>> {
  const rows = await trx
    .selectFrom('events')
    .select(['seq', 'type', 'actor_id', 'conversation_id', 'data', 'previous'])
    .where('conversation_id', 'is not', null)
    .orderBy('seq')
    .execute()
  const log = new Map<string, Row[]>()
  for (const row of rows as Row[]) log.set(row.conversation_id, [...(log.get(row.conversation_id) ?? []), row])
  return log
}

/** Why conversations change their owner without anybody's asking. */
const BY_ITSELF = ['claim_lapsed', 'out_of_office', 'owner_absent', 'not_visible', 'disabled', 'auto']

const isOwnership = ({ type }: Row) => type === 'conversation.assigned' || type === 'conversation.unassigned'

/** Conversations that were owned by two at once, or by somebody of whom nothing tells. */
export async function checkOwners(t: Test, world: World): Promise<void> {
  await world.db.inWorkspace(world.workspace_id, async trx => {
    const log = await readLog(trx)
    const conversations = await trx.selectFrom('conversations').select(['id', 'assignee_id']).execute()
    const history = await trx.selectFrom('assignments').selectAll().execute()
    const broken: string[] = []
    for (const { id, assignee_id } of conversations) {
      let owner: string | null = null
      const changes = (log.get(id) ?? []).filter(isOwnership)
      for (const { seq, data, previous } of changes) {
        if (previous?.assignee_id !== owner)
          broken.push(`${id}: ${previous?.assignee_id} gave it away at ${seq}, ${owner} had it`)
        owner = data.assignee_id ?? null
      }
      if (owner !== assignee_id) broken.push(`${id}: is ${assignee_id}'s, by the log ${owner}'s`)
      const rows = history.filter(row => row.conversation_id === id)
      const words = (from: unknown, to: unknown, actor: unknown) => `${from} to ${to} by ${actor}`
      const logged = changes.map(row =>
        words(row.previous?.assignee_id ?? null, row.data.assignee_id ?? null, row.actor_id),
      )
      const kept = rows.map(row => words(row.previous_user_id, row.user_id, row.actor_id))
      if (logged.toSorted().join() !== kept.toSorted().join())
        broken.push(`${id}: the history is not what the log tells`)
    }
    t.same(broken, [], `one owner at a time, and each change told once (seed ${world.seed})`)
  })
}

/** What agents were told has happened, and what has happened that nobody did. */
export async function checkAudit(t: Test, world: World, acts: Act[]): Promise<void> {
  const log = await world.db.inWorkspace(world.workspace_id, readLog)
  const changes = [...log.values()].flat().filter(isOwnership)
  const told = new Map<string, number>()
  const count = (key: string, by: number) => told.set(key, (told.get(key) ?? 0) + by)
  const keyOf = (conversation_id: unknown, actor: unknown, from: unknown, to: unknown) =>
    `${conversation_id}: ${actor} made ${from} into ${to}`
  for (const { conversation_id, actor_id, previous, data } of changes) {
    // Nobody asked for what follows from absence.
    if (BY_ITSELF.includes(String(data.reason))) continue
    count(keyOf(conversation_id, actor_id, previous?.assignee_id ?? null, data.assignee_id ?? null), 1)
  }
  const owners = new Map(
    [...log].map(([id, rows]) => [id, [null, ...rows.filter(isOwnership).map(row => row.data.assignee_id)]]),
  )
  const lost: string[] = []
  // Of two who may have done the same, first who must have: what was given as the next one, what was answered, what was not.
  const certainty = ({ kind, status }: Act) => (status !== 200 ? 2 : kind === 'next' ? 0 : 1)
  for (const act of acts.toSorted((a, b) => certainty(a) - certainty(b))) {
    if (!['claim', 'next', 'assign'].includes(act.kind) || act.from === act.to || !act.conversation_id) continue
    const key = keyOf(act.conversation_id, act.agent, act.from ?? null, act.to ?? null)
    const there = (told.get(key) ?? 0) > 0
    // Giving it to whoever has it by then changes nothing.
    const alreadySo = act.kind !== 'next' && owners.get(act.conversation_id)?.includes(act.to)
    if (act.status === 200 && !there && !alreadySo) lost.push(key)
    // Nobody can say whether one whose answer got lost has happened.
    if (there && (act.status === 200 || act.status === undefined)) count(key, -1)
  }
  t.same(lost, [], `whatever agents were told has happened is in the log (seed ${world.seed})`)
  const nobody = [...told].filter(([, times]) => times > 0).map(([key]) => key)
  t.same(nobody, [], `whatever the log says that somebody did, they did (seed ${world.seed})`)
}

/** Two who changed the same version, both told that it went well. */
export function checkVersions(t: Test, { seed }: World, acts: Act[]): void {
  const changed = acts.filter(act => act.kind === 'change' && act.status === 200 && act.made !== act.version)
  const places = changed.map(act => `${act.conversation_id} at ${act.version}`)
  t.same(repeated(places), [], `nobody wrote over what they had not seen (seed ${seed})`)
  t.same(
    changed.filter(act => act.made! <= act.version!),
    [],
    'a change raises the version',
  )
}

/** Each reply that was taken in is there once, and its author had seen every answer before it. */
export async function checkAnswers(t: Test, world: World, acts: Act[]): Promise<void> {
  const { seed, workspace_id } = world
  const taken = acts.filter(
    act => (act.kind === 'reply' && act.status === 202) || (act.kind === 'note' && act.status === 201),
  )
  const rows = await world.db.inWorkspace(workspace_id, trx =>
    trx.selectFrom('messages').select(['id', 'body', 'author_id']).where('direction', '<>', 'inbound').execute(),
  )
  const bodies = rows.map(row => `${row.author_id}: ${row.body}`)
  t.same(repeated(bodies), [], `nothing is said or noted twice (seed ${seed})`)
  const known = new Set(bodies)
  t.same(
    taken.filter(act => !known.has(`${act.agent}: ${act.text}`)),
    [],
    `nothing that was taken in is lost (seed ${seed})`,
  )

  const log = await world.db.inWorkspace(workspace_id, readLog)
  const idOf = new Map(rows.map(row => [row.body, row.id]))
  const unseen: string[] = []
  for (const { conversation_id, text, seen_up_to } of taken.filter(act => act.kind === 'reply')) {
    const events = log.get(conversation_id!) ?? []
    const place = (message_id: string) =>
      events.findIndex(
        row => row.data.message_id === message_id && /^(message\.received|reply\.queued|note\.created)$/.test(row.type),
      )
    const [seen, said] = [place(seen_up_to!), place(idOf.get(text!)!)]
    const between = events.slice(seen + 1, said).filter(row => row.type === 'reply.queued')
    if (between.length > 0) unseen.push(`${text} did not see ${between.map(row => row.data.message_id).join()}`)
  }
  t.same(unseen, [], `nobody answers past a colleague's answer that they have not seen (seed ${seed})`)
}

const repeated = (keys: string[]): string[] => {
  const seen = new Set<string>()
  return keys.filter(key => seen.has(key) || !seen.add(key))
}
