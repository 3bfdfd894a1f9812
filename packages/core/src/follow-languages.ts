import { appendEvents, type Trx, updateLanguages } from '@parley/db'
import { SYSTEM } from '@parley/domain'

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
}
