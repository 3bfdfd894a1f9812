import {
  findBegunBy,
  findErasedIds,
  findMessagesFrom,
  type LogRow,
  listLogText,
  listTextAttributes,
  redactEvent,
} from '@parley/db'
import { erasedDigest, erasedScope } from '../erased-ids.ts'
import type { ErasureTask, StepWork } from './steps.ts'
import { ERASED, mapTexts } from './traces.ts'

/** What people say of a customer's message. */
const JUDGED = ['message.dismissed', 'message.undismissed', 'message.flagged', 'message.flag_cleared']
const BATCH = 1_000
type Data = Record<string, unknown>

/**
 * Takes them out of the log: their names wherever they stand, the subject and free texts of what they began, the network's ids of what
 * they wrote, and why that was dismissed. That something happened, when, and by whom it was done stays.
 */
export const eraseLog: StepWork = async (trx, task) => {
  const position = (task.erasure.position as { xact: string; seq: number } | null) ?? { xact: '0', seq: 0 }
  const rows = await listLogText(trx, position, BATCH)
  const parsed = rows.map(row => ({ row, data: JSON.parse(row.data) as Data }))
  const named = [...new Set(parsed.flatMap(({ data }) => (typeof data.message_id === 'string' ? data.message_id : [])))]
  const theirs = await findMessagesFrom(trx, task.everybody, named)
  const keys = new Map(parsed.flatMap(({ data }) => eventKey(data, task)))
  const erased = await findErasedIds(trx, [...new Set(keys.values())])
  const told = rows.flatMap(row => (row.type.startsWith('conversation.') && row.conversation_id) || [])
  const begun = await findBegunBy(trx, task.everybody, [...new Set(told)])
  const texts = await listTextAttributes(trx, 'conversation')
  let count = 0
  for (const { row, data } of parsed) {
    const wrote = typeof data.message_id === 'string' && theirs.has(data.message_id)
    const began = row.type === 'conversation.created' && task.everybody.includes(String(data.contact_id))
    const judged = JUDGED.includes(row.type)
    const keyed = erased.has(keys.get(data) ?? '')
    const begun_by_them = row.conversation_id !== null && begun.has(row.conversation_id)
    const replace = (text: string, key = '', within = '') => {
      const gone =
        (wrote && (key === 'external_id' || key === 'permalink' || (judged && key === 'reason'))) ||
        (began && key === 'subject') ||
        (begun_by_them && within === 'attributes' && texts.has(key)) ||
        (keyed && (key === 'dedup_key' || key === 'reason'))
      return gone || task.traces.isIn(text) ? ERASED : text
    }
    const redacted: LogRow = {
      ...row,
      data: JSON.stringify(mapTexts(data, replace)),
      previous: row.previous && JSON.stringify(mapTexts(JSON.parse(row.previous), replace)),
    }
    if (
      redacted.data === JSON.stringify(data) &&
      redacted.previous === (row.previous && JSON.stringify(JSON.parse(row.previous)))
    )
      continue
    await redactEvent(trx, redacted)
    count += 1
  }
  const last = rows.at(-1)
  return {
    position: rows.length === BATCH && last ? { xact: last.xact, seq: last.seq } : null,
    counts: { log_events: count },
  }
}

/** An event about a row of the ledger names it by the network's key. */
function eventKey(data: Data, { key }: ErasureTask): [Data, string][] {
  const { channel_id, dedup_key } = data
  if (typeof channel_id !== 'string' || typeof dedup_key !== 'string') return []
  return [[data, erasedDigest(key, erasedScope.event(channel_id), dedup_key)]]
}
