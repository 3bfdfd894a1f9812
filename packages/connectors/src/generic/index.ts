import { randomBytes } from 'node:crypto'
import { VISIBILITIES } from '@parley/domain'
import type { Connector } from '../connector.ts'
import { check } from './check.ts'
import { normalise } from './normalise.ts'
import { receive } from './receive.ts'
import { genericCredentials, genericSettings } from './schemas.ts'
import { prepare, send } from './send.ts'

/** Anything with an HTTP client: events come in signed (Standard Webhooks), replies are POSTed or fetched. */
export const genericConnector: Connector = {
  kind: 'generic',
  capabilities: ({ settings }) => ({
    actions: [],
    idempotency: 'none',
    text: { counting: 'graphemes', max_characters: null, max_bytes: 64 * 1024, link_characters: null },
    visibilities: [...VISIBILITIES],
    attachments: null,
    reply_window_seconds: genericSettings.parse(settings).reply_window_seconds ?? null,
  }),
  settingsSchema: genericSettings,
  credentialsSchema: genericCredentials,
  generateCredentials: () => ({ signing_secrets: [`whsec_${randomBytes(32).toString('base64')}`] }),
  check,
  receive,
  normalise: (_channel, payload, received_at) => normalise(payload, received_at),
  pulled: channel => genericSettings.parse(channel.settings).reply_url === undefined,
  prepare,
  send,
}
