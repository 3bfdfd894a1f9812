import { drawConversations, findOldestConversationId, newId, type Trx } from '@parley/db'

const DAY_MS = 24 * 3600 * 1000
/** Of each kind: what changed last, what changed within a day, the last breaches, and all that there is. */
const EACH = 100
const OLDER = 50

/**
 * Draws the conversations that a check looks at. Its cost is one look-up each, however many there are.
 * @param random from 0 to 1
 */
export async function drawSample(trx: Trx, now: Date, random: () => number): Promise<string[]> {
  const oldest = await findOldestConversationId(trx)
  if (!oldest) return []
  const since = now.getTime() - DAY_MS
  const moments = Array.from({ length: EACH }, () => new Date(since + random() * DAY_MS))
  // Ids begin with when they were made, so a random time finds a random conversation.
  const begun = Math.min(Number.parseInt(oldest.replaceAll('-', '').slice(0, 12), 16), now.getTime())
  const ids = Array.from({ length: OLDER }, () => newId(new Date(begun + random() * (now.getTime() - begun))))
  return drawConversations(trx, { since: new Date(since), each: EACH, moments, ids: [oldest, ...ids] })
}
