import { isDeepStrictEqual } from 'node:util'
import {
  blankAttempts,
  deleteAddresses,
  dropQuotes,
  type ErasableConversation,
  emptyDraft,
  insertErasedIds,
  listOurTexts,
  listTextAttributes,
  lockConversationsOf,
  redactActions,
  redactExpertLinks,
  redactReasons,
  redactTasks,
  type Trx,
  updateConversation,
  updateOurText,
} from '@parley/db'
import { indexChanges, withAttributes } from '../change-attributes.ts'
import { erasedDigest, erasedScope, erasedText, isErasedText } from '../erased-ids.ts'
import { type ErasureTask, FIRST_ID, type StepWork } from './steps.ts'
import type { Wanted } from './traces.ts'

const BATCH = 20
const TEXTS = 500

/**
 * Erases what the conversations they were part of tell of them: subject, free texts, draft, addresses, what was prepared to
 * be sent, what mails repeat. Our own words stay, without their names in it: replies, notes, tasks, questions to experts, and
 * why a message of somebody else needed no answer.
 */
export const eraseConversations: StepWork = async (trx, task) => {
  const after = (task.erasure.position as { id: string } | null)?.id ?? FIRST_ID
  const conversations = await lockConversationsOf(trx, task.everybody, after, BATCH)
  const counts = { conversations: conversations.length, drafts: 0, attempts: 0, our_texts: 0 }
  for (const conversation of conversations) {
    const { id } = conversation
    if (await emptyDraft(trx, id)) counts.drafts += 1
    counts.our_texts += await redactOurTexts(trx, id, task)
    await dropQuotes(trx, id)
    const redact = task.traces.removedFrom
    counts.attempts += await blankAttempts(trx, id, redact)
    await redactActions(trx, id, redact)
    counts.our_texts += await redactTasks(trx, id, redact)
    counts.our_texts += await redactExpertLinks(trx, id, redact)
    counts.our_texts += await redactReasons(trx, id, redact)
    await deleteAddresses(trx, id, (task.erasure.looking_for as Wanted).ids)
    await eraseHead(trx, conversation, task)
  }
  const last = conversations.at(-1)
  return { position: conversations.length === BATCH && last ? { id: last.id } : null, counts }
}

async function redactOurTexts(trx: Trx, conversation_id: string, { traces }: ErasureTask): Promise<number> {
  let changed = 0
  for (let after = FIRST_ID; ; ) {
    const texts = await listOurTexts(trx, conversation_id, after, TEXTS)
    for (const text of texts) {
      const redacted = {
        id: text.id,
        body: traces.removedFrom(text.body),
        body_html: text.body_html && traces.removedFrom(text.body_html),
        state_reason: text.state_reason && traces.removedFrom(text.state_reason),
        reply_context: traces.removedFromJson(text.reply_context),
      }
      if (isDeepStrictEqual(redacted, { ...text })) continue
      await updateOurText(trx, redacted)
      changed += 1
    }
    const last = texts.at(-1)
    if (texts.length < TEXTS || !last) return changed
    after = last.id
  }
}

/** Its subject and language, what its attributes tell in free text, and the key of a thread that is named after them. */
async function eraseHead(trx: Trx, conversation: ErasableConversation, task: ErasureTask): Promise<void> {
  const { id, channel_id, contact_id, thread_key } = conversation
  const named = !isErasedText(thread_key) && task.traces.isIn(thread_key)
  const began = contact_id !== null && task.everybody.includes(contact_id)
  const texts = await textsOf(trx, conversation, began, task)
  if (!named && !began && Object.keys(texts).length === 0) return
  const digest = erasedDigest(task.key, erasedScope.thread(channel_id), thread_key)
  if (named) await insertErasedIds(trx, [digest], task.now)
  await indexChanges(trx, id, texts)
  await updateConversation(trx, id, {
    ...(began ? { subject: null, language: null, language_source: null } : {}),
    attributes: JSON.stringify(withAttributes(conversation.attributes, texts)),
    ...(named ? { thread_key: erasedText(digest) } : {}),
    updated_at: task.now,
  })
}

/**
 * The free texts among its attributes: all of what they began, and elsewhere those that name them. Numbers, days and
 * options say nothing that a person wrote.
 */
async function textsOf(trx: Trx, { attributes }: ErasableConversation, began: boolean, { traces }: ErasureTask) {
  const texts = await listTextAttributes(trx, 'conversation')
  const theirs = Object.entries(attributes).filter(
    ([key, text]) => texts.has(key) && (began || traces.isIn(String(text))),
  )
  return Object.fromEntries(theirs.map(([key]) => [key, null]))
}
