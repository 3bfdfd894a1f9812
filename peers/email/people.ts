import {
  connectedChannel,
  connectorContext,
  FaultProxy,
  type MailServers,
  startMailServers,
  until,
} from '@parley/testing'
import { ImapFlow } from 'imapflow'
import { type ParsedMail, simpleParser } from 'mailparser'
import nodemailer from 'nodemailer'
import type { Test } from 'tap'
import type { ConnectedChannel, ConnectorContext } from '../../packages/connectors/src/connector.ts'
import { emailConnector } from '../../packages/connectors/src/email/index.ts'

export const BRAND = 'support@brand.test'
const server = (port: number) => ({ host: '127.0.0.1', port, secure: false })

/** Servers for a test, stopped when it ends. */
export async function mailServers(t: Test, users: string[]): Promise<MailServers> {
  const servers = await startMailServers(users)
  t.teardown(servers.stop)
  return servers
}

export function settingsOf({ ports }: MailServers, fields: Record<string, unknown> = {}) {
  return {
    address: BRAND,
    display_name: 'Brand',
    imap: server(ports.imap),
    smtp: server(ports.submission),
    recipient_delimiter: true,
    ...fields,
  }
}

/** The brand's mailbox as a connected channel, identified as when it is connected. */
export async function connectChannel(
  servers: MailServers,
  fields: Record<string, unknown> = {},
): Promise<ConnectedChannel> {
  const channel = connectedChannel({
    id: 'mailbox',
    settings: emailConnector.settingsSchema.parse(settingsOf(servers, fields)),
    credentials: { user: 'support', password: servers.password },
  })
  const { external_id, network_facts = {} } = await emailConnector.identify!(channel, contextFor())
  return { ...channel, external_id, network_facts }
}

export function contextFor(fields: Partial<ConnectorContext> = {}): ConnectorContext {
  return connectorContext({ signal: AbortSignal.timeout(30_000), ...fields })
}

/** A proxy before one of the servers, and its port. */
export async function proxyTo(t: Test, port: number): Promise<{ proxy: FaultProxy; port: number }> {
  const url = `tcp://127.0.0.1:${port}/`
  const proxy = await FaultProxy.start(t, url)
  return { proxy, port: Number(new URL(proxy.through(url)).port) }
}

type Letter = { from?: string; to?: string; subject?: string; text?: string } & Record<string, unknown>

/** Sends a mail to the brand as a customer's program does, by way of Exim. */
export async function write({ ports }: MailServers, letter: Letter = {}): Promise<string> {
  const transport = nodemailer.createTransport({ host: '127.0.0.1', port: ports.smtp, secure: false })
  const { messageId } = await transport.sendMail({
    from: 'Ana Silva <ana@customer.test>',
    to: BRAND,
    subject: 'My kettle leaks',
    text: 'It leaks.',
    ...letter,
  })
  return messageId.slice(1, -1)
}

/** What is in a mailbox now. */
export async function read({ ports, password }: MailServers, user: string, folder = 'INBOX'): Promise<ParsedMail[]> {
  const client = new ImapFlow({ ...server(ports.imap), auth: { user, pass: password }, logger: false })
  client.on('error', () => {})
  await client.connect()
  try {
    const { exists } = await client.mailboxOpen(folder)
    if (exists === 0) return []
    const found = await client.fetchAll('1:*', { source: true })
    return await Promise.all(found.map(({ source }) => simpleParser(source!)))
  } finally {
    await client.logout()
  }
}

/** Waits until so many mails are in a mailbox. */
export function arrived(servers: MailServers, user: string, count = 1): Promise<ParsedMail[]> {
  return until(`${user} has ${count} mails`, async () => {
    const mails = await read(servers, user)
    return mails.length >= count ? mails : undefined
  })
}
