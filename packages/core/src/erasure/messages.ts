import { blankMessages, insertErasedIds, lockMessagesFrom } from '@parley/db'
import { erasedDigest, erasedScope, erasedText, isErasedText } from '../erased-ids.ts'
import { FIRST_ID, type StepWork } from './steps.ts'
import { ERASED } from './traces.ts'

const BATCH = 200
/** Among the marks of a message's text: what was done to it. */
export const ERASED_MARK = 'erased'

/** Erases what they wrote, in all versions, and the network's ids of it. When they wrote, and who answered, stays. */
export const eraseMessages: StepWork = async (trx, { erasure, everybody, key, now }) => {
  const after = (erasure.position as { id: string } | null)?.id ?? FIRST_ID
  const messages = await lockMessagesFrom(trx, everybody, after, BATCH)
  const fresh = messages.filter(({ external_id }) => !isErasedText(external_id))
  const digests = fresh.map(message => ({
    message,
    as_message: erasedDigest(key, erasedScope.message(message.channel_id), message.external_id),
    as_thread: erasedDigest(key, erasedScope.thread(message.channel_id), message.external_id),
  }))
  await insertErasedIds(
    trx,
    digests.flatMap(({ as_message, as_thread }) => [as_message, as_thread]),
    now,
  )
  const blanked = digests.map(({ message, as_message, as_thread }) => ({
    ...message,
    message_text: erasedText(as_message),
    thread_text: erasedText(as_thread),
  }))
  const versions = await blankMessages(trx, blanked, { mark: ERASED_MARK, reason: ERASED })
  const last = messages.at(-1)
  const counts = { messages: fresh.length, versions }
  return { position: messages.length === BATCH && last ? { id: last.id } : null, counts }
}
