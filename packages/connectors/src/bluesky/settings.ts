import { z } from 'zod'
import type { ConnectedChannel } from '../connector.ts'
import { isServiceUrl } from '../service-url.ts'

export const blueskySettings = z.strictObject({
  service_url: z
    .string()
    .meta({ format: 'uri' })
    .describe('Where the account logs in: its own server, or https://bsky.social for accounts hosted there (default).')
    .refine(isServiceUrl, { error: 'must be the https address of a server, without a path' })
    .transform(value => new URL(value).origin)
    .default('https://bsky.social'),
})
export type BlueskySettings = z.infer<typeof blueskySettings>

export const blueskyCredentials = z.strictObject({
  identifier: z.string().trim().min(1).max(512).describe("The account's handle, DID or e-mail address."),
  app_password: z
    .string()
    .min(1)
    .max(512)
    .describe("An app password, never the account's own: it can be revoked by itself."),
})
export type BlueskyCredentials = z.infer<typeof blueskyCredentials>

export type BlueskyLogin = BlueskySettings & BlueskyCredentials

/** @throws ZodError when the stored channel does not fit the schemas it was created with */
export function loginOf(channel: ConnectedChannel): BlueskyLogin {
  return { ...blueskySettings.parse(channel.settings), ...blueskyCredentials.parse(channel.credentials) }
}
