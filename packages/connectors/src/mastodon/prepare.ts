import { countCharacters, isWider } from '@parley/domain'
import { z } from 'zod'
import type { ConnectedChannel, ConnectorContext, NetworkMessage, OutgoingReply } from '../connector.ts'
import { SendRefused } from '../errors.ts'
import { storable } from '../text/storable.ts'
import { failureOf, goodBody, idIn } from './client.ts'
import { type StatusEntity, statusEntity } from './entities.ts'
import { capabilities } from './facts.ts'
import { uploadAll } from './media.ts'
import { replyContext } from './reply-context.ts'
import { MastodonSession } from './session.ts'
import { visibilityOf, wordOf } from './visibility.ts'

/** The body of `POST /api/v1/statuses`, frozen with its Idempotency-Key. */
export const preparedStatus = z.strictObject({
  account_id: z.string(),
  idempotency_key: z.string(),
  queued_at: z.iso.datetime(),
  /** Whom it mentions beside its own text. */
  mentions: z.array(z.string()),
  body: z.strictObject({
    status: z.string(),
    in_reply_to_id: z.string(),
    visibility: z.string(),
    spoiler_text: z.string().optional(),
    media_ids: z.array(z.string()).optional(),
  }),
})
export type PreparedStatus = z.infer<typeof preparedStatus>

/**
 * Freezes a reply: its text with the mentions without which the customer would not hear of it, and its files, which
 * nobody sees before. The language is left to the account's own setting: a wrong one would hide the reply.
 * @throws SendRefused for the agent, ChannelAuthError, MastodonFailure when it cannot be checked now
 */
export async function prepare(
  channel: ConnectedChannel,
  reply: OutgoingReply,
  context: ConnectorContext,
): Promise<PreparedStatus> {
  const { in_reply_to, text, attachments } = reply
  const told = replyContext.safeParse(in_reply_to?.reply_context)
  if (!in_reply_to || !told.success)
    throw new SendRefused('There is no post to answer: a reply on Mastodon answers one post')
  if (text.trim() === '' && attachments.length === 0) throw new SendRefused('The reply is empty')
  const { id, mentions, spoiler_text } = told.data
  if (isWider(reply.visibility, in_reply_to.visibility))
    throw new SendRefused('The reply would be seen by more people than the message it answers')
  const session = new MastodonSession(channel, context)
  const parent = await readParent(session, id, context)
  if (isWider(reply.visibility, visibilityOf(parent.visibility)))
    throw new SendRefused('The reply would be seen by more people than the message it answers')
  const status = withMentions(text, mentions)
  checkLength(channel, status, spoiler_text)
  const media_ids = await uploadAll(session, attachments, capabilities(channel).attachments, context)
  return {
    account_id: channel.external_id ?? '',
    idempotency_key: reply.message_id,
    queued_at: reply.queued_at.toISOString(),
    mentions,
    body: {
      status,
      in_reply_to_id: id,
      visibility: wordOf(reply.visibility),
      // By custom, what is behind a warning is answered behind the same.
      ...(spoiler_text ? { spoiler_text } : {}),
      ...(media_ids.length > 0 ? { media_ids } : {}),
    },
  }
}

/** A warning counts like the text behind it, and so do the names without which nobody would hear of the reply. */
export function countedText(text: string, { reply_context }: NetworkMessage): string {
  const told = replyContext.safeParse(reply_context)
  if (!told.success) return text
  const { mentions, spoiler_text } = told.data
  return withMentions(text, mentions) + spoiler_text
}

/** Mentions first, each once; whoever is mentioned in the text already stays where they are. */
export function withMentions(text: string, mentions: string[]): string {
  const named = new Set([...text.matchAll(MENTION)].map(([, acct]) => acct!.toLowerCase()))
  const missing = mentions.filter(acct => !named.has(acct.toLowerCase()))
  const prefix = missing.map(acct => `@${acct}`).join(' ')
  return [prefix, text].filter(part => part !== '').join(' ')
}

const MENTION = /(?<![\p{L}\p{N}_/])@([\p{L}\p{N}_]+(?:[.-][\p{L}\p{N}_]+)*(?:@[\p{L}\p{N}.-]*[\p{L}\p{N}])?)/gu

/** A warning counts like the text behind it. */
function checkLength(channel: ConnectedChannel, status: string, spoiler_text: string): void {
  const { text: limits } = capabilities(channel)
  const { max_characters } = limits
  const characters = countCharacters(status, limits) + countCharacters(spoiler_text, limits)
  if (max_characters !== null && characters > max_characters) {
    const whole = spoiler_text ? 'with the names it mentions and the content warning' : 'with the names it mentions'
    throw new SendRefused(`The reply has ${characters} characters ${whole}; this server allows ${max_characters}`)
  }
}

/** Says why before anything is sent: the refusal of a reply does not tell a deleted post from one that hides. */
async function readParent(session: MastodonSession, id: string, context: ConnectorContext): Promise<StatusEntity> {
  const answer = await session.call({ path: `/api/v1/statuses/${idIn(storable(id))}` })
  if (answer.error !== null && (answer.status === 404 || answer.status === 410))
    throw new SendRefused(
      'The post this reply answers is deleted, or its author does not let this account see it any more',
    )
  if (answer.error !== null && answer.status === 403)
    throw new SendRefused('The server does not let this account read the post it answers')
  if (!answer.ok) throw failureOf(answer, context.now())
  return goodBody(answer, statusEntity, context.now())
}
