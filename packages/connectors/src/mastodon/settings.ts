import { z } from 'zod'
import type { ConnectedChannel } from '../connector.ts'
import { isServiceUrl } from '../service-url.ts'

const token = z.string().trim().min(1).max(4096)

export const mastodonSettings = z.strictObject({
  /** The server the account lives on. */
  server_url: z
    .string()
    .refine(isServiceUrl, { error: 'must be the https address of a server, without a path' })
    .transform(value => new URL(value).origin),
})

/** Mastodon's tokens last until they are revoked; other servers' run out, and are renewed with the other three. */
export const mastodonCredentials = z.strictObject({
  access_token: token,
  refresh_token: token.optional(),
  client_id: token.optional(),
  client_secret: token.optional(),
})

export type MastodonLogin = z.infer<typeof mastodonSettings> & z.infer<typeof mastodonCredentials>

/** @throws ZodError when the stored channel does not fit the schemas it was created with */
export function loginOf(channel: Pick<ConnectedChannel, 'settings' | 'credentials'>): MastodonLogin {
  return { ...mastodonSettings.parse(channel.settings), ...mastodonCredentials.parse(channel.credentials) }
}
