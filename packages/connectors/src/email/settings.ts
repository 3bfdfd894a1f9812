import { isIP } from 'node:net'
import { z } from 'zod'
import type { ConnectedChannel } from '../connector.ts'
import { ADDRESS_LIMIT, normaliseAddress } from './addresses.ts'

const HOST_NAME = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/

const host = z
  .string()
  .trim()
  .toLowerCase()
  .refine(value => isIP(value) !== 0 || HOST_NAME.test(value), { error: 'must be the name or address of a server' })

const address = z.email().max(ADDRESS_LIMIT).transform(normaliseAddress)
const line = z
  .string()
  .trim()
  .regex(/^[^\p{Cc}]*$/u, { error: 'must be one line' })

/** `secure`: TLS from the first byte. Otherwise the connection must change to TLS (STARTTLS) before anything is said. */
const server = (port: number) =>
  z.strictObject({ host, port: z.int().min(1).max(65_535).default(port), secure: z.boolean().default(true) })

export const emailSettings = z.strictObject({
  /** The brand's address: what customers write to and answers come from. */
  address,
  /** Other addresses that lead to the same mailbox. */
  other_addresses: z.array(address).max(50).default([]),
  display_name: line.pipe(z.string().max(120)).default(''),
  imap: server(993),
  smtp: server(465),
  /** What is read besides the Sent folder. Junk may be among them: what is there by mistake are lost customers. */
  folders: z
    .array(line.pipe(z.string().min(1).max(255)))
    .min(1)
    .max(10)
    .default(['INBOX']),
  /** Answers that somebody writes in another mail program are read from the Sent folder. */
  follow_sent: z.boolean().default(true),
  /** Where the provider does not name it. */
  sent_folder: line.pipe(z.string().min(1).max(255)).nullable().default(null),
  /** Who puts what we send into the Sent folder: we do, the provider does by itself, or nobody. */
  save_sent: z.enum(['append', 'provider', 'never']).default('append'),
  /** How the receiving server signs its Authentication-Results; without it no sender counts as verified. */
  authserv_id: line.pipe(z.string().min(1).max(255)).nullable().default(null),
  /** True where mail to `name+anything@…` arrives as well: answers then come back by an address of their conversation. */
  recipient_delimiter: z.boolean().default(false),
  /** Answers go to everybody who was addressed, not to the writer alone. */
  reply_to_all: z.boolean().default(false),
  /** A line above our answers; what a customer's program repeats below it is folded away. */
  reply_delimiter: line.pipe(z.string().min(10).max(200)).nullable().default(null),
})
export type EmailSettings = z.infer<typeof emailSettings>
export type MailServer = EmailSettings['imap']

const secret = z.string().min(1).max(4_096)

const passwordLogin = z.strictObject({
  user: z.string().trim().min(1).max(320),
  password: secret,
  /** Where sending needs another login than reading. */
  smtp_user: z.string().trim().min(1).max(320).optional(),
  smtp_password: secret.optional(),
})

const oauthLogin = z.strictObject({
  user: z.string().trim().min(1).max(320),
  oauth: z.strictObject({
    token_url: z.url({ protocol: /^https?$/ }).max(2_048),
    client_id: secret,
    /** Public clients have none. */
    client_secret: secret.optional(),
    refresh_token: secret,
    scope: z.string().max(2_048).optional(),
  }),
})

export const emailCredentials = z.union([passwordLogin, oauthLogin])
export type OauthLogin = z.infer<typeof oauthLogin>

export type EmailAccount = {
  settings: EmailSettings
  login: z.infer<typeof emailCredentials>
  /** The mailbox's own addresses, normalised. */
  ours: string[]
}

/** @throws ZodError when the stored channel does not fit the schemas it was created with */
export function accountOf(channel: Pick<ConnectedChannel, 'settings' | 'credentials'>): EmailAccount {
  const settings = emailSettings.parse(channel.settings)
  return {
    settings,
    login: emailCredentials.parse(channel.credentials),
    ours: [settings.address, ...settings.other_addresses],
  }
}
