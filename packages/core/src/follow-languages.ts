import { appendEvents, listConversationsByIds, type Trx, updateLanguages } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { type ChangedConversation, settleClocks } from './sla/settle-clocks.ts'

/** Gives conversations the language that they are in now, where nobody has said which, and logs what changed. */
export async function followLanguages(trx: Trx, conversation_ids: string[], now: Date): Promise<void> {
  const changes = await updateLanguages(trx, conversation_ids, now)
  await appendEvents(
    trx,
    changes.map(({ id, language, source, previous }) => ({
      type: 'conversation.updated',
      at: now,
      actor: SYSTEM,
      conversation_id: id,
      data: { language, language_source: source },
      previous,
    })),
  )
  const byChannel = new Map<string, ChangedConversation[]>()
  const rows = await listConversationsByIds(
    trx,
    changes.map(({ id }) => id),
  )
  for (const row of rows) {
    const { channel_id } = row
    byChannel.set(channel_id, [...(byChannel.get(channel_id) ?? []), { ...row, changed: ['language'] }])
  }
  for (const conversations of byChannel.values()) await settleClocks(trx, conversations, SYSTEM, now)
}
