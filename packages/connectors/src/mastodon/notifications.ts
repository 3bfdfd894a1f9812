import { createHash } from 'node:crypto'
import { z } from 'zod'
import { ChannelAuthError } from '../errors.ts'
import { describe, type MastodonAnswer, type MastodonCall } from './client.ts'
import type { Place } from './cursor.ts'
import { networkId } from './entities.ts'

export const NOTIFICATIONS = '/api/v1/notifications'
/** What reaches the inbox; servers that do not know a type leave it out, or list all of them. */
const TYPES = ['mention', 'quote'] as const

/** An item of the list. Its status stays unknown: one that is malformed is stored and refused by itself. */
export type Notification = { place: Place | null; type: string; status: unknown }

export const notificationsBody = z.array(z.unknown())

const listed = z.looseObject({
  id: networkId,
  type: z.string().catch(''),
  created_at: z.string().nullish().catch(null),
  status: z.unknown().optional(),
})

/**
 * `include_filtered`: private messages from strangers are filtered by default, and would otherwise not be listed.
 */
export function notificationsCall(query: { limit: number; min_id?: string; max_id?: string }): MastodonCall {
  return { path: NOTIFICATIONS, query: { types: TYPES, include_filtered: true, ...query } }
}

/**
 * Passes on any answer to a read that every account may do, but a refusal in the server's own words: the token lacks a
 * scope, or the account is suspended, and only a person can mend that.
 * @throws ChannelAuthError
 */
export function notificationsAnswer(answer: MastodonAnswer): MastodonAnswer {
  if (answer.status === 403 && answer.error !== null)
    throw new ChannelAuthError(`The server does not let this account read its notifications: ${describe(answer)}`)
  return answer
}

/** Newest first, as the server lists them, also after `min_id`. */
export function readItems(body: unknown[]): Notification[] {
  return body.map(item => {
    const { data } = listed.safeParse(item)
    if (!data) return { place: null, type: 'mention', status: item }
    return { place: { id: data.id, at: instantOf(data.created_at) }, type: data.type, status: data.status }
  })
}

export function isForTheInbox({ type }: Notification): boolean {
  return TYPES.some(known => known === type)
}

function instantOf(text: string | null | undefined): string | null {
  const at = Date.parse(text ?? '')
  return Number.isFinite(at) ? new Date(at).toISOString() : null
}

const NEXT = /<([^>]+)>\s*;\s*rel="?next"?/

/**
 * Where the next older page is: where the server's Link says, as some ignore parameters and give cursors of their own,
 * else before the last id. A Link that leaves the server is not followed, as our token would go along.
 */
export function olderPage(answer: MastodonAnswer, items: Notification[], server_url: string): string | null {
  const href = NEXT.exec(answer.headers.get('link') ?? '')?.[1] ?? ''
  const url = URL.canParse(href, server_url) ? new URL(href, server_url) : undefined
  if (href && url?.origin === server_url && url.pathname === NOTIFICATIONS) return `${url.pathname}${url.search}`
  const last = items.findLast(({ place }) => place)?.place
  return last ? new URLSearchParams({ max_id: last.id }).toString() : null
}

/** One call for what `olderPage` gave. */
export function olderCall(page: string | null, limit: number): MastodonCall {
  if (page === null) return notificationsCall({ limit })
  if (page.startsWith('/')) return { path: page }
  return notificationsCall({ limit, max_id: new URLSearchParams(page).get('max_id')! })
}

export function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex')
}
