import { randomUUID } from 'node:crypto'
import { bootstrapWorkspace } from '@parley/core'
import { type Database, generateApiKey } from '@parley/db'
import type { ChannelCapabilities } from '@parley/domain'

/** A workspace with an inbox and an administrator whose key is `key`. Only the first of a database can be made so. */
export async function firstWorkspace(db: Database, now = new Date()) {
  const key = generateApiKey()
  const created = await bootstrapWorkspace(db, key, now)
  if (!created) throw new Error('this database has a workspace already')
  return { ...created, key }
}

/** What a made-up network takes: short public texts, sent once. */
export function capabilities(fields: Partial<ChannelCapabilities> = {}): ChannelCapabilities {
  return {
    actions: [],
    idempotency: 'none',
    text: { counting: 'graphemes', max_characters: 300, max_bytes: 3000, link_characters: null },
    visibilities: ['public', 'private'],
    attachments: null,
    reply_window_seconds: null,
    ...fields,
  }
}

/** A comment as an integration posts it. */
export function comment(fields: Record<string, unknown> = {}) {
  const external_id = randomUUID()
  return {
    type: 'message.received',
    data: {
      external_id,
      kind: 'comment',
      author: { platform_id: 'ana', handle: 'ana', name: 'Ana Silva' },
      text: 'Where is my order?',
      created_at: new Date().toISOString(),
      ...fields,
    },
  }
}
