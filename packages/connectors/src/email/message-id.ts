import { domainOf } from './addresses.ts'

const MAX_IDS = 200
const MAX_ID_LENGTH = 998
const OWN_ID = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\.parley@/i
const TOKEN_ID = /^([a-z2-7]{26})\.thread\.parley@/i
const OWN_ID_ANYWHERE = /<([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\.parley@[^<>\s]{1,255})>/i
const TOKEN = /^[a-z2-7]{26}$/

/** The ids in a header, without brackets, in their order and each once. Ids without `@` occur and count. */
export function messageIdsIn(header: string | undefined): string[] {
  const text = (header ?? '').slice(0, MAX_IDS * MAX_ID_LENGTH)
  const ids = [...text.matchAll(/<([^<>\s]{1,998})>/g)].map(match => match[1]!)
  return [...new Set(ids)].slice(0, MAX_IDS)
}

/** The Message-ID of a reply. It follows from the reply alone: whoever prepares it again names it the same. */
export function ownMessageId(message_id: string, address: string): string {
  return `${message_id}.parley@${domainOf(address)}`
}

/** Which reply of ours has this Message-ID. */
export function replyOf(message_id: string): string | undefined {
  return OWN_ID.exec(message_id)?.[1]?.toLowerCase()
}

/** Stands in References as if the thread had begun with it, and comes back with every answer. */
export function threadId(reply_token: string, address: string): string {
  return `${reply_token}.thread.parley@${domainOf(address)}`
}

/** The reply token in an id that `threadId` made. */
export function tokenOf(id: string): string | undefined {
  return TOKEN_ID.exec(id)?.[1]?.toLowerCase()
}

export const isReplyToken = (text: string) => TOKEN.test(text)

/** The Message-ID of a reply of ours, wherever it stands in a text: bounces return our headers in many forms. */
export function findOwnMessageId(text: string): string | undefined {
  return OWN_ID_ANYWHERE.exec(text)?.[1]
}

/** As headers have them, the first and the last: long threads would outgrow what servers take. */
export function referencesHeader(ids: string[]): string {
  const unique = [...new Set(ids)]
  const kept = unique.length > 21 ? [unique[0]!, ...unique.slice(-20)] : unique
  return kept.map(id => `<${id}>`).join(' ')
}
