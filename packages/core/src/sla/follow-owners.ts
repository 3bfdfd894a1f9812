import { type Conversation, listConversationsByIds, lockLiveClocks, type Trx } from '@parley/db'
import type { Actor } from '@parley/domain'
import { type ChangedConversation, settleClocks } from './settle-clocks.ts'
import { isOverdue } from './step-clocks.ts'

/** A conversation whose owner has just changed, whose it was until then, and by whom. */
type OwnerChange = Conversation & Pick<ChangedConversation, 'was'> & { actor: Actor }

/**
 * Lets clocks follow new owners. Most of those who get a conversation end no clock by it, and somebody waits for it: so of
 * all these it is asked at once whether there is one. Returns the conversations as they are then, in the order given.
 */
export async function followOwners(trx: Trx, changes: OwnerChange[], now: Date): Promise<Conversation[]> {
  const given = changes.filter(({ assignee_id }) => assignee_id !== null)
  const clocks = given.length === 0 ? [] : await lockLiveClocks(trx, idsOf(given))
  const ending = clocks.filter(clock => clock.wait_id === null || isOverdue(clock, now))
  const concerned = new Set(ending.map(({ conversation_id }) => conversation_id))
  const settled: string[] = []
  for (const group of alike(changes.filter(({ id, assignee_id }) => assignee_id === null || concerned.has(id)))) {
    const followed = group.map(change => ({ ...change, changed: ['assignee_id'] as const }))
    if (await settleClocks(trx, followed, group[0]!.actor, now)) settled.push(...idsOf(group))
  }
  const rows = new Map((await listConversationsByIds(trx, settled)).map(row => [row.id, row]))
  return changes.map(({ actor, was, ...row }) => rows.get(row.id) ?? row)
}

const idsOf = (rows: { id: string }[]) => rows.map(({ id }) => id)

/** Those of one channel and one actor together, as clocks are settled. */
function alike(changes: OwnerChange[]): OwnerChange[][] {
  const groups = new Map<string, OwnerChange[]>()
  for (const change of changes) {
    const key = `${change.channel_id} ${change.actor.type} ${change.actor.id}`
    groups.set(key, [...(groups.get(key) ?? []), change])
  }
  return [...groups.values()]
}
