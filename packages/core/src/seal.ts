import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

const FORMAT = 1
const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * Seals a JSON value with AES-256-GCM. It opens only with the same key and the same `context` (which row it belongs
 * to), so that a sealed value copied to another row is worthless. Layout: format, nonce, tag, ciphertext.
 */
export function seal(key: Buffer, context: string, value: unknown): Buffer {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context))
  const sealed = Buffer.concat([cipher.update(JSON.stringify(value)), cipher.final()])
  return Buffer.concat([Buffer.from([FORMAT]), nonce, cipher.getAuthTag(), sealed])
}

/** @throws when the key or the context is another one, or when a byte was changed */
export function unseal(key: Buffer, context: string, sealed: Buffer): unknown {
  if (sealed[0] !== FORMAT) throw new Error('sealed in an unknown format')
  const nonce = sealed.subarray(1, 1 + NONCE_BYTES)
  const tag = sealed.subarray(1 + NONCE_BYTES, 1 + NONCE_BYTES + TAG_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(context)).setAuthTag(tag)
  const opened = Buffer.concat([decipher.update(sealed.subarray(1 + NONCE_BYTES + TAG_BYTES)), decipher.final()])
  return JSON.parse(opened.toString())
}

/** What a channel's secrets are bound to. */
export function channelContext(channel: { workspace_id: string; id: string }): string {
  return `channel:${channel.workspace_id}:${channel.id}`
}
