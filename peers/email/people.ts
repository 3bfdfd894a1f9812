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
export async function read(servers: MailServers, user: string, folder = 'INBOX'): Promise<ParsedMail[]> {
  return inFolder(servers, user, folder, readAll)
}

/** What is in an inbox now, thread by thread as its server sees them by their references, and not by their subjects. */
export async function threads(servers: MailServers, user: string): Promise<ParsedMail[][]> {
  return inFolder(servers, user, 'INBOX', async client => {
    const found: number[][] = []
    const words = ['REFS', 'UTF-8', 'ALL'].map(value => ({ type: 'ATOM', value }))
    const answer = await (client as unknown as Executing).exec('THREAD', words, {
      untagged: {
        THREAD: async ({ attributes }) => {
          for (const thread of attributes ?? []) found.push(numbersIn(thread))
        },
      },
    })
    answer.next()
    const mails = await readAll(client)
    return found.map(thread => thread.map(number => mails[number - 1]!))
  })
}

/** What its types leave out. */
type Executing = {
  exec: (
    command: string,
    words: { type: string; value: string }[],
    options: { untagged: Record<string, (answer: { attributes?: Nested[] }) => Promise<void>> },
  ) => Promise<{ next: () => void }>
}
type Nested = { value: string } | Nested[]
const numbersIn = (thread: Nested): number[] =>
  Array.isArray(thread) ? thread.flatMap(numbersIn) : [Number(thread.value)]

async function readAll(client: ImapFlow): Promise<ParsedMail[]> {
  if ((client.mailbox as { exists: number }).exists === 0) return []
  const found = await client.fetchAll('1:*', { source: true })
  return Promise.all(found.map(({ source }) => simpleParser(source!)))
}

async function inFolder<T>(
  { ports, password }: MailServers,
  user: string,
  folder: string,
  work: (client: ImapFlow) => Promise<T>,
): Promise<T> {
  const client = new ImapFlow({ ...server(ports.imap), auth: { user, pass: password }, logger: false })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.mailboxOpen(folder)
    return await work(client)
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
