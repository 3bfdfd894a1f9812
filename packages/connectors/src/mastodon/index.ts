import type { Connector } from '../connector.ts'
import { act } from './act.ts'
import { check } from './check.ts'
import { capabilities } from './facts.ts'
import { findSent } from './find-sent.ts'
import { readHistory } from './history.ts'
import { identify } from './identify.ts'
import { listen } from './listen.ts'
import { normalise } from './normalise.ts'
import { poll } from './poll.ts'
import { countedText, prepare } from './prepare.ts'
import { send } from './send.ts'
import { mastodonCredentials, mastodonSettings } from './settings.ts'

/** Public conversations on Mastodon and the servers that speak its API, read by polling, woken by its stream. */
export const mastodonConnector: Connector = {
  kind: 'mastodon',
  capabilities,
  settingsSchema: mastodonSettings,
  credentialsSchema: mastodonCredentials,
  identify,
  check,
  poll,
  readHistory,
  listen,
  normalise: (_channel, payload, received_at) => normalise(payload, received_at),
  countedText,
  prepare,
  send,
  findSent,
  act,
}
