import { createHash } from 'node:crypto'

/** Where an id means something: the same one elsewhere is another. */
export const erasedScope = {
  account: (network: string) => `account:${network}`,
  message: (channel_id: string) => `message:${channel_id}`,
  thread: (channel_id: string) => `thread:${channel_id}`,
  /** accept_inbound_events makes the same digest. */
  event: (channel_id: string) => `event:${channel_id}`,
}

/** Hexadecimal. Who has the workspace's key can test a guess about an id and read none. */
export function erasedDigest(key: Buffer, scope: string, id: string): string {
  return createHash('sha256').update(key).update(`${scope}:${id}`).digest('hex')
}

const PREFIX = 'erased:'

/** What stands in the place of an erased id. */
export const erasedText = (digest: string) => `${PREFIX}${digest}`
export const isErasedText = (text: string) => text.startsWith(PREFIX)
