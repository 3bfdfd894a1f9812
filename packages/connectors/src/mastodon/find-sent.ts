import { z } from 'zod'
import type { ConnectedChannel, ConnectorContext, FindSentOutcome, PreparedSend } from '../connector.ts'
import { ChannelAuthError } from '../errors.ts'
import { describe, idIn, MastodonFailure } from './client.ts'
import { type StatusEntity, statusEntity } from './entities.ts'
import { type PreparedStatus, preparedStatus } from './prepare.ts'
import { sentOutcome, unknown } from './send.ts'
import { MastodonSession } from './session.ts'
import { textOf } from './text.ts'

const PAGE_SIZE = 40
const MAX_PAGES = 5
/** Clocks differ by this much. */
const SKEW_MS = 10 * 60_000

const statusesBody = z.array(z.unknown())
const sourceBody = z.looseObject({ text: z.string() })

/**
 * Looks for the reply among the account's own posts: an answer to the same post with the same text. `not_found` only
 * when the posts were read back to before the reply was written.
 */
export async function findSent(
  channel: ConnectedChannel,
  prepared: PreparedSend,
  context: ConnectorContext,
): Promise<FindSentOutcome> {
  const post = preparedStatus.parse(prepared)
  if (post.account_id !== channel.external_id)
    return unknown('The channel is connected to another account than the reply was for')
  const session = new MastodonSession(channel, context)
  const oldest = Date.parse(post.queued_at) - SKEW_MS
  let max_id: string | null = null
  try {
    for (let pages = 0; pages < MAX_PAGES; pages += 1) {
      const query: Record<string, string | number | null> = { limit: PAGE_SIZE, max_id }
      const answer = await session.call({ path: `/api/v1/accounts/${idIn(post.account_id)}/statuses`, query })
      const listed = answer.ok ? statusesBody.safeParse(answer.body).data : undefined
      if (!listed) return unknown(`The account's posts cannot be read: ${describe(answer)}`)
      const statuses = listed.map(item => statusEntity.safeParse(item).data)
      const known = statuses.filter(status => status !== undefined)
      for (const status of known) {
        if (Date.parse(status.created_at) < oldest || status.in_reply_to_id !== post.body.in_reply_to_id) continue
        if (!(await saysTheSame(session, status, post))) continue
        return sentOutcome(status, post, { earliest: new Date(post.queued_at), latest: context.now() })
      }
      const last = known.at(-1)
      if (listed.length > 0 && known.length < listed.length) return unknown('A post of this account is not understood')
      if (!last || known.some(({ created_at }) => Date.parse(created_at) < oldest)) return { outcome: 'not_found' }
      if (last.id === max_id) return unknown("The list of the account's posts repeats itself")
      max_id = last.id
    }
    return unknown('The account has posted too much since to be sure')
  } catch (error) {
    if (error instanceof ChannelAuthError || error instanceof MastodonFailure) return unknown(error.message)
    throw error
  }
}

/** By what was typed, which servers keep for edits; where they do not, by what they show. */
async function saysTheSame(session: MastodonSession, status: StatusEntity, { body }: PreparedStatus): Promise<boolean> {
  const answer = await session.call({ path: `/api/v1/statuses/${idIn(status.id)}/source` })
  const source = answer.ok ? sourceBody.safeParse(answer.body).data : undefined
  if (source && compared(source.text) === compared(body.status)) return true
  return compared(textOf(status).text) === compared(body.status)
}

/** Servers write mentions of their own people without the server, and tidy white space and the ends of links. */
function compared(text: string): string {
  return text
    .normalize('NFC')
    .replaceAll(/@([\w.-]+)@[\w.-]+/g, '@$1')
    .replaceAll(/https?:\/\//g, '')
    .replaceAll(/[\s/]+/g, '')
    .toLowerCase()
}
