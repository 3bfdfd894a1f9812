import type { Connector } from '../connector.ts'
import { act } from './act.ts'
import { postUri } from './at-uri.ts'
import { check } from './check.ts'
import { readHistory } from './history.ts'
import { IMAGE_LIMITS } from './images.ts'
import { normaliseNotification } from './normalise.ts'
import { poll } from './poll.ts'
import { preparedPost } from './post.ts'
import { prepare } from './prepare.ts'
import { MAX_BYTES, MAX_GRAPHEMES } from './rich-text.ts'
import { findSent, send } from './send.ts'
import { openSession } from './session.ts'
import { blueskyCredentials, blueskySettings } from './settings.ts'

/** Public conversations on Bluesky and any other AT Protocol host, read by polling. */
export const blueskyConnector: Connector = {
  kind: 'bluesky',
  capabilities: () => ({
    actions: ['like', 'unlike', 'delete'],
    idempotency: 'chosen_key',
    text: { counting: 'graphemes', max_characters: MAX_GRAPHEMES, max_bytes: MAX_BYTES, link_characters: null },
    visibilities: ['public'],
    attachments: IMAGE_LIMITS,
    reply_window_seconds: null,
  }),
  settingsSchema: blueskySettings,
  credentialsSchema: blueskyCredentials,
  identify: async (channel, context) => ({ external_id: (await openSession(channel, context)).did }),
  check,
  poll,
  readHistory,
  normalise: (_channel, payload, received_at) => normaliseNotification(payload, received_at),
  prepare,
  expectedId: prepared => {
    const { repo, rkey } = preparedPost.parse(prepared)
    return postUri(repo, rkey)
  },
  send,
  findSent,
  act,
}
