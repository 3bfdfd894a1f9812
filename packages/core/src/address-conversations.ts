import { randomBytes } from 'node:crypto'
import { findReplyTokens, insertConversationAddresses, insertReplyTokens, type Trx } from '@parley/db'
import type { Arrival } from './read-batch.ts'

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
const LENGTH = 26

/**
 * Gives each conversation with hinted messages its reply token, which the messages keep for their answers, and notes
 * whom it is with. Costs nothing where no message has hints.
 * @param fresh new messages; what their answers need is added to
 * @returns what writes it, to be called when the conversations are there
 */
export async function addressConversations(
  trx: Trx,
  fresh: Arrival[],
  conversationOf: (message: Arrival) => { id: string },
  now: Date,
): Promise<() => Promise<void>> {
  const hinted = fresh.filter(arrival => arrival.thread_hints !== undefined)
  if (hinted.length === 0) return async () => {}
  const idOf = (arrival: Arrival) => conversationOf(arrival).id
  const ids = [...new Set(hinted.map(idOf))]
  // The conversations that are there are locked: nobody else gives them one now.
  const tokens = await findReplyTokens(trx, ids)
  const made = ids.filter(id => !tokens.has(id))
  for (const id of made) tokens.set(id, replyToken())
  const addresses = new Map<string, { conversation_id: string; address: string }>()
  for (const arrival of hinted) {
    const conversation_id = idOf(arrival)
    arrival.reply_context = { ...arrival.reply_context, reply_token: tokens.get(conversation_id) }
    for (const address of arrival.thread_hints!.participants)
      addresses.set(`${conversation_id} ${address}`, { conversation_id, address })
  }
  return async () => {
    const rows = made.map(conversation_id => ({
      token: tokens.get(conversation_id)!,
      conversation_id,
      created_at: now,
    }))
    await Promise.all([insertReplyTokens(trx, rows), insertConversationAddresses(trx, [...addresses.values()])])
  }
}

/** 130 random bits that survive whatever is done to the case of an address. */
function replyToken(): string {
  return [...randomBytes(LENGTH)].map(byte => ALPHABET[byte % ALPHABET.length]).join('')
}
