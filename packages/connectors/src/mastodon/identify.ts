import { z } from 'zod'
import type { ConnectedChannel, ConnectorContext, Identity } from '../connector.ts'
import { ChannelAuthError } from '../errors.ts'
import { describe, goodBody, type MastodonAnswer, MastodonFailure } from './client.ts'
import { accountEntity } from './entities.ts'
import type { MastodonFacts } from './facts.ts'
import { MastodonSession } from './session.ts'

/** Those that keep a post's Idempotency-Key; GoToSocial takes the header and does not look at it. */
const KNOW_REPEATS = new Set(['mastodon', 'hometown', 'pleroma', 'akkoma', 'hollo'])

/**
 * Whose account this is, and what its server can do.
 * @throws ChannelAuthError also for a token that belongs to an application and to nobody's account; MastodonFailure
 */
export async function identify(channel: ConnectedChannel, context: ConnectorContext): Promise<Identity> {
  const session = new MastodonSession(channel, context)
  const account = await readOwnAccount(session, context.now())
  return {
    external_id: account.id,
    network_facts: await readFacts(session, account, (await readInstance(session)) ?? {}),
  }
}

/**
 * What the server tells of itself by now; undefined where it does not answer, so that what it told before stays.
 * @throws ChannelAuthError
 */
export async function readFactsAgain(
  session: MastodonSession,
  context: Pick<ConnectorContext, 'now'>,
): Promise<MastodonFacts | undefined> {
  try {
    const account = await readOwnAccount(session, context.now())
    const instance = await readInstance(session)
    return instance ? await readFacts(session, account, instance) : undefined
  } catch (error) {
    if (error instanceof MastodonFailure) return undefined
    throw error
  }
}

export async function readOwnAccount(session: MastodonSession, now: Date) {
  const answer = await session.call({ path: '/api/v1/accounts/verify_credentials' })
  if (answer.error !== null && answer.status === 422)
    throw new ChannelAuthError('This token belongs to an application, not to an account: authorise the account itself')
  if (answer.error !== null && answer.status === 403)
    throw new ChannelAuthError(`The server refuses this account: ${describe(answer)}`)
  return goodBody(answer, accountEntity, now)
}

const number = z.number().nullish().catch(null)
const text = z.string().nullish().catch(null)

const instanceEntity = z.looseObject({
  domain: text,
  uri: text,
  version: text,
  api_versions: z.looseObject({ mastodon: number }).nullish().catch(null),
  max_toot_chars: number,
  urls: z.looseObject({ streaming_api: text }).nullish().catch(null),
  configuration: z
    .looseObject({
      urls: z.looseObject({ streaming: text }).nullish().catch(null),
      statuses: z
        .looseObject({
          max_characters: number,
          characters_reserved_per_url: number,
          max_media_attachments: number,
        })
        .nullish()
        .catch(null),
      media_attachments: z
        .looseObject({
          supported_mime_types: z.array(z.string()).nullish().catch(null),
          image_size_limit: number,
        })
        .nullish()
        .catch(null),
    })
    .nullish()
    .catch(null),
})

async function readFacts(
  session: MastodonSession,
  account: z.infer<typeof accountEntity>,
  instance: Partial<z.infer<typeof instanceEntity>>,
): Promise<MastodonFacts> {
  const software = (await readSoftware(session)) ?? softwareIn(instance.version)
  const { statuses, media_attachments, urls } = instance.configuration ?? {}
  const policy = await quietly(session.call({ path: '/api/v2/notifications/policy' }))
  const known = {
    acct: account.acct ?? account.username ?? null,
    host: hostOf(account.url) ?? hostOf(account.uri) ?? instance.domain ?? null,
    software,
    version: instance.version ?? null,
    api_version: instance.api_versions?.mastodon ?? null,
    max_characters: statuses?.max_characters ?? instance.max_toot_chars ?? 500,
    characters_reserved_per_url: statuses?.characters_reserved_per_url ?? 23,
    max_attachments: statuses?.max_media_attachments ?? 4,
    streaming_url: urls?.streaming ?? instance.urls?.streaming_api ?? null,
    knows_repeats: KNOW_REPEATS.has(software ?? ''),
    has_notification_policy: policy?.ok === true,
  }
  // Left out where they are not told: what stands for them then is one place's business.
  const limit = media_attachments?.image_size_limit
  const types = media_attachments?.supported_mime_types
  return {
    ...known,
    ...(limit ? { max_attachment_bytes: limit } : {}),
    ...(types ? { attachment_types: types } : {}),
  } as MastodonFacts
}

async function readInstance(session: MastodonSession): Promise<z.infer<typeof instanceEntity> | undefined> {
  for (const path of ['/api/v2/instance', '/api/v1/instance']) {
    const answer = await quietly(session.call({ path }))
    const instance = answer?.ok ? instanceEntity.safeParse(answer.body).data : undefined
    if (instance) return instance
  }
  return undefined
}

const nodeInfoLinks = z.looseObject({ links: z.array(z.looseObject({ href: z.string() })) })
const nodeInfo = z.looseObject({ software: z.looseObject({ name: z.string() }) })

/** By NodeInfo, as every fediverse server describes itself; only of the server itself, whatever its links say. */
async function readSoftware(session: MastodonSession): Promise<string | null> {
  const index = await quietly(session.call({ path: '/.well-known/nodeinfo' }))
  const href = nodeInfoLinks.safeParse(index?.body).data?.links.at(-1)?.href ?? ''
  const url = URL.canParse(href) ? new URL(href) : undefined
  if (url?.origin !== session.server_url) return null
  const described = await quietly(session.call({ path: url.pathname }))
  return nodeInfo.safeParse(described?.body).data?.software.name.toLowerCase() ?? null
}

/** `2.7.2 (compatible; Akkoma 3.13)`; a bare number may be anybody's. */
function softwareIn(version: string | null | undefined): string | null {
  return /compatible; (\w+)/.exec(version ?? '')?.[1]?.toLowerCase() ?? null
}

function hostOf(url: string | null | undefined): string | null {
  return url && URL.canParse(url) ? new URL(url).host : null
}

/** What is good to know and not needed. */
async function quietly(call: Promise<MastodonAnswer>): Promise<MastodonAnswer | undefined> {
  return call.catch((error: Error) => {
    if (error instanceof ChannelAuthError || error instanceof MastodonFailure) return undefined
    throw error
  })
}
