import { type Conversation, type EventRow, listLongestWaiting, type Trx } from '@parley/db'

/**
 * On so many conversations of a post a rule is tried when it surges, those first in which somebody has waited longest. All
 * of them are locked and changed in the transaction of that one event, and whoever writes in one of them waits until it
 * ends: a rule with one action takes a second for so many, on two busy cores.
 */
export const MAX_OF_A_SURGE = 200

/** What rules are tried on: an event as one of a conversation, and which of them. */
export type Occasion<R> = { event: EventRow; rules: R[] }

type Waiting = { triggers: string[]; inbox_ids: string[] | null }

export const isOfAPost = ({ type }: Pick<EventRow, 'type'>): boolean => type === 'post.surging'

/**
 * The occasions that these events are for rules that wait for them, in order. What happens to a post happens to its open
 * conversations, as far as they lie in a rule's inboxes.
 */
export async function readOccasions<R extends Waiting>(
  trx: Trx,
  events: EventRow[],
  rules: R[],
): Promise<Occasion<R>[]> {
  const occasions: Occasion<R>[] = []
  for (const event of events) {
    const mine = rules.filter(({ triggers }) => triggers.includes(event.type))
    if (event.conversation_id) occasions.push({ event, rules: mine })
    else if (isOfAPost(event)) occasions.push(...(await spreadOverPost(trx, event, mine)))
  }
  return occasions
}

async function spreadOverPost<R extends Waiting>(trx: Trx, event: EventRow, rules: R[]): Promise<Occasion<R>[]> {
  const post_id = postOf(event)
  if (!post_id) return []
  const within = ({ inbox_ids }: R) => inbox_ids?.toSorted().join() ?? ''
  const found = new Map<string, { waiting_since: Date | null; places: Set<string> }>()
  for (const inboxes of new Map(rules.map(rule => [within(rule), rule.inbox_ids]))) {
    for (const { id, waiting_since } of await listLongestWaiting(trx, post_id, inboxes[1], MAX_OF_A_SURGE)) {
      const { places } = found.get(id) ?? { places: new Set() }
      found.set(id, { waiting_since, places: places.add(inboxes[0]) })
    }
  }
  const since = ({ waiting_since }: { waiting_since: Date | null }) => waiting_since?.getTime() ?? Number.MAX_VALUE
  return [...found]
    .sort(([, a], [, b]) => since(a) - since(b))
    .map(([conversation_id, { places }]) => ({
      event: { ...event, conversation_id },
      rules: rules.filter(rule => places.has(within(rule))),
    }))
}

/** Whether it is an occasion still: a conversation may have been settled before its turn came. */
export function isStill({ event }: Occasion<unknown>, conversation: Conversation | undefined): boolean {
  if (!conversation || !isOfAPost(event)) return true
  const { status, post_id, merged_into_id } = conversation
  return status === 'open' && post_id === postOf(event) && merged_into_id === null
}

function postOf({ data }: EventRow): string | undefined {
  const { post_id } = data as { post_id?: unknown }
  return typeof post_id === 'string' ? post_id : undefined
}
