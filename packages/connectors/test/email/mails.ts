import { readFileSync } from 'node:fs'
import type { ConnectorMessage } from '@parley/contracts'
import { emailConnector } from '../../src/email/index.ts'
import { parseMail } from '../../src/email/parse-mail.ts'
import { accountOf } from '../../src/email/settings.ts'

export const RECEIVED = new Date('2026-03-02T12:00:00Z')

/** Settings of a mailbox as `POST /v1/channels` stores them. */
export function mailSettings(fields: Record<string, unknown> = {}) {
  const server = { host: '127.0.0.1', port: 1143, secure: false }
  return emailConnector.settingsSchema.parse({
    address: 'support@brand.example',
    imap: server,
    smtp: server,
    ...fields,
  })
}

export const credentials = { user: 'support', password: 'a-long-password' }

export function fixture(name: string): Buffer {
  return Buffer.from(
    readFileSync(new URL(`fixtures/${name}.eml`, import.meta.url), 'latin1').replaceAll('\n', '\r\n'),
    'latin1',
  )
}

/** A mail from the mailbox as the ledger keeps it. */
export function stored(
  raw: Buffer,
  settings: Record<string, unknown> = {},
  keep?: (bytes: Buffer) => Promise<string>,
  sent = false,
) {
  const found = {
    folder: sent ? 'Sent' : 'INBOX',
    uid_validity: '1',
    uid: 7,
    sent,
    byte_size: raw.length,
    internal_date: new Date('2026-03-02T10:00:01Z'),
  }
  return parseMail(raw, found, accountOf({ settings: mailSettings(settings), credentials }), keep)
}

/** What a mail becomes, by way of JSON as in the ledger. */
export async function described(raw: Buffer, settings: Record<string, unknown> = {}, sent = false) {
  const payload = JSON.parse(JSON.stringify(await stored(raw, settings, undefined, sent)))
  return emailConnector.normalise({ external_id: 'support@brand.example' }, payload, RECEIVED)
}

export async function message(name: string, settings: Record<string, unknown> = {}): Promise<ConnectorMessage> {
  const event = await described(fixture(name), settings)
  if (event.type !== 'message') throw new Error(`${name} is ${event.type}`)
  return event
}

/** A mail with these headers. */
export function withHeaders(...headers: string[]): Buffer {
  const lines = ['From: Ana <ana@customer.example>', 'To: support@brand.example', 'Subject: Order', ...headers]
  if (!headers.some(line => /^message-id:/i.test(line))) lines.push('Message-ID: <x1@customer.example>')
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\nWhere is it?\r\n`)
}
