import { randomBytes } from 'node:crypto'
import { type ChannelCapabilities, VISIBILITIES } from '@parley/domain'
import type { Connector } from '../connector.ts'
import { act } from './act.ts'
import { check } from './check.ts'
import { normalise } from './normalise.ts'
import { receive } from './receive.ts'
import { type GenericSettings, genericCredentials, genericSettings } from './schemas.ts'
import { prepare, send } from './send.ts'

/** Anything with an HTTP client: events come in signed (Standard Webhooks), replies are POSTed or fetched, actions POSTed. */
export const genericConnector: Connector = {
  kind: 'generic',
  capabilities: channel => capabilitiesOf(genericSettings.parse(channel.settings)),
  settingsSchema: genericSettings,
  credentialsSchema: genericCredentials,
  generateCredentials: () => ({ signing_secrets: [`whsec_${randomBytes(32).toString('base64')}`] }),
  check,
  receive,
  normalise: (_channel, payload, received_at) => normalise(payload, received_at),
  pulled: channel => genericSettings.parse(channel.settings).reply_url === undefined,
  prepare,
  send,
  act,
}

function capabilitiesOf({ actions, attachments, reply_window_seconds }: GenericSettings): ChannelCapabilities {
  return {
    actions: actions ?? [],
    idempotency: 'none',
    text: { counting: 'graphemes', max_characters: null, max_bytes: 64 * 1024, link_characters: null },
    visibilities: [...VISIBILITIES],
    attachments: attachments ?? null,
    reply_window_seconds: reply_window_seconds ?? null,
  }
}
