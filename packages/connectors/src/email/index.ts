import type { Connector } from '../connector.ts'
import { readHistory } from './history.ts'
import { check, identify } from './identify.ts'
import { maxFileBytes } from './limits.ts'
import { listen } from './listen.ts'
import { normaliseMail } from './normalise.ts'
import { poll } from './poll.ts'
import { prepare, preparedMail } from './prepare.ts'
import { findSent, send } from './send.ts'
import { emailCredentials, emailSettings } from './settings.ts'

const MAX_TEXT_BYTES = 256 * 1024
const MAX_FILES = 20

/** A shared mailbox, read over IMAP and answered over SMTP. */
export const emailConnector: Connector = {
  kind: 'email',
  capabilities: channel => ({
    actions: [],
    idempotency: 'look_up',
    text: { counting: 'graphemes', max_characters: null, max_bytes: MAX_TEXT_BYTES, link_characters: null },
    visibilities: ['private'],
    attachments: { max_count: MAX_FILES, max_bytes: maxFileBytes(channel), media_types: ['*/*'] },
    reply_window_seconds: null,
  }),
  settingsSchema: emailSettings,
  credentialsSchema: emailCredentials,
  identify,
  check,
  poll,
  readHistory,
  listen,
  normalise: (_channel, payload, received_at) => normaliseMail(payload, received_at),
  prepare,
  expectedId: prepared => preparedMail.parse(prepared).message_id,
  send,
  findSent,
}
