import { accountView, mediaView, notificationView, statusView, type View } from './entities.ts'
import type { Account, NewStatus, Token } from './model.ts'
import { pageOf } from './paging.ts'
import type { MastodonRecorder } from './record.ts'
import { Refused, type ServerState } from './state.ts'

export type Answer = { status: number; body: unknown; headers?: Record<string, string> }

export type Call = {
  state: ServerState
  record: MastodonRecorder
  view: View
  url: URL
  /** What stands for `:id`. */
  id: string
  input: Record<string, unknown>
  file: { bytes: number; mime_type: string } | null
  token: Token | undefined
  idempotency_key: string | null
}

type Route = {
  /** The scope it takes; null for what anybody may call. */
  scope: string | null
  handle: (call: Call, account: Account) => Answer
}

const ok = (body: unknown, headers?: Record<string, string>): Answer => ({
  status: 200,
  body,
  ...(headers ? { headers } : {}),
})

const several = (url: URL, name: string) => url.searchParams.getAll(`${name}[]`)

/** By method and path, `:id` for any one part of it. */
export const routes: Record<string, Route> = {
  'POST /api/v1/apps': {
    scope: null,
    handle: ({ input }) => ok({ id: '1', name: input.client_name, client_id: 'client', client_secret: 'secret' }),
  },
  'POST /oauth/token': { scope: null, handle: oauthToken },
  'GET /.well-known/nodeinfo': {
    scope: null,
    handle: ({ view }) =>
      ok({ links: [{ rel: 'http://nodeinfo.diaspora.software/ns/schema/2.0', href: `${view.origin}/nodeinfo/2.0` }] }),
  },
  'GET /nodeinfo/2.0': {
    scope: null,
    handle: ({ state: { traits } }) =>
      ok({ version: '2.0', software: { name: traits.software, version: traits.version } }),
  },
  'GET /api/v2/instance': { scope: null, handle: instance },
  'GET /api/v1/accounts/verify_credentials': {
    scope: 'read:accounts',
    handle: ({ view }, account) => ok({ ...accountView(view, account), source: { privacy: 'public' } }),
  },
  'GET /api/v1/accounts/:id/statuses': {
    scope: 'read:statuses',
    handle: ({ state, url, view, id }, account) => {
      const own = [...state.statuses.values()].filter(
        status => status.account.id === id && state.mayRead(account, status),
      )
      const { page, headers } = pageOf(own, url, state.traits, { limit: 20, most: 40 })
      return ok(
        page.map(status => statusView(view, status)),
        headers,
      )
    },
  },
  'GET /api/v1/notifications': { scope: 'read:notifications', handle: notifications },
  'GET /api/v2/notifications/policy': {
    scope: 'read:notifications',
    handle: ({ state }, account) => (state.traits.sparse ? notFound() : ok({ ...account.policy, summary: {} })),
  },
  'GET /api/v1/statuses': {
    scope: 'read:statuses',
    handle: ({ state, url, view }, account) => {
      if (!state.traits.gives_several) return notFound()
      const found = several(url, 'id')
        .slice(0, 20)
        .flatMap(id => state.statuses.get(id) ?? [])
      return ok(found.filter(status => state.mayRead(account, status)).map(status => statusView(view, status)))
    },
  },
  'POST /api/v1/statuses': { scope: 'write:statuses', handle: post },
  'GET /api/v1/statuses/:id': {
    scope: 'read:statuses',
    handle: ({ state, view, id }, account) => ok(statusView(view, state.readable(account, id))),
  },
  'PUT /api/v1/statuses/:id': {
    scope: 'write:statuses',
    handle: ({ state, view, id, input }, account) => {
      const status = state.readable(account, id)
      if (status.account !== account) throw new Refused(404, 'Record not found')
      const {
        status: text,
        spoiler_text = '',
        media_ids = [],
      } = input as { status: string; spoiler_text?: string; media_ids?: string[] }
      state.edit(status, { text, spoiler_text, media_ids })
      return ok(statusView(view, status))
    },
  },
  'DELETE /api/v1/statuses/:id': {
    scope: 'write:statuses',
    handle: ({ state, view, id }, account) => {
      const status = state.readable(account, id)
      if (status.account !== account) throw new Refused(404, 'Record not found')
      state.remove(status)
      return ok({ ...statusView(view, status), text: status.text })
    },
  },
  'GET /api/v1/statuses/:id/context': {
    scope: 'read:statuses',
    handle: ({ state, view, id }, account) => {
      const status = state.readable(account, id)
      return ok({
        ancestors: state.ancestorsOf(account, status).map(one => statusView(view, one)),
        descendants: state.descendantsOf(account, status).map(one => statusView(view, one)),
      })
    },
  },
  'GET /api/v1/statuses/:id/source': {
    scope: 'read:statuses',
    handle: ({ state, id }, account) => {
      const { text, spoiler_text } = state.readable(account, id)
      return state.traits.sparse ? notFound() : ok({ id, text, spoiler_text })
    },
  },
  'POST /api/v1/statuses/:id/favourite': { scope: 'write:favourites', handle: call => favourite(call, true) },
  'POST /api/v1/statuses/:id/unfavourite': { scope: 'write:favourites', handle: call => favourite(call, false) },
  'POST /api/v2/media': { scope: 'write:media', handle: upload },
  'GET /api/v1/media/:id': {
    scope: 'write:media',
    handle: ({ state, view, id }) => {
      const media = state.media.get(id)
      if (!media) return notFound()
      const status = media.ready_after > 0 ? 206 : 200
      const body = mediaView(view, media)
      media.ready_after -= 1
      return { status, body }
    },
  },
  'PUT /api/v1/media/:id': { scope: 'write:media', handle: () => notFound() },
}

const notFound = (): Answer => ({ status: 404, body: { error: 'Record not found' } })

function oauthToken({ state, input }: Call): Answer {
  const { grant_type, refresh_token } = input
  if (grant_type === 'client_credentials') {
    const { token } = state.grant(null, ['read', 'write'])
    return ok({ access_token: token, token_type: 'Bearer', scope: 'read write', created_at: 1 })
  }
  const old = [...state.tokens].find(
    ([, token]) => token.refresh_token !== null && token.refresh_token === refresh_token,
  )
  if (grant_type !== 'refresh_token' || !old)
    return { status: 400, body: { error: 'invalid_grant', error_description: 'The grant is not valid' } }
  // Each is good for one use.
  state.tokens.delete(old[0])
  const { account, scopes } = old[1]
  const renewed = state.grant(account, scopes, true)
  return ok({ access_token: renewed.token, refresh_token: renewed.refresh_token, token_type: 'Bearer' })
}

function instance({ state: { traits }, view }: Call): Answer {
  const { origin } = view
  if (traits.sparse) return notFound()
  return ok({
    domain: new URL(origin).host,
    title: 'A server of the tests',
    version: traits.version,
    source_url: 'https://example.com',
    api_versions: { mastodon: 7 },
    configuration: {
      urls: { streaming: origin.replace('http', 'ws') },
      statuses: { max_characters: traits.max_characters, max_media_attachments: 4, characters_reserved_per_url: 23 },
      media_attachments: {
        supported_mime_types: ['image/png', 'image/jpeg', 'video/mp4'],
        image_size_limit: 16_777_216,
      },
    },
  })
}

function notifications({ state, url, view }: Call, account: Account): Answer {
  const types = several(url, 'types')
  const withFiltered = url.searchParams.get('include_filtered') === 'true'
  const listed = state.notifications.filter(
    ({ to, type, filtered }) =>
      to === account && (types.length === 0 || types.includes(type)) && (withFiltered || !filtered),
  )
  const { page, headers } = pageOf(listed, url, state.traits, { limit: 40, most: 80 })
  return ok(
    page.map(notification => notificationView(view, notification)),
    headers,
  )
}

function post({ state, record, view, input, idempotency_key }: Call, account: Account): Answer {
  const { status: text = '', ...draft } = input as unknown as NewStatus & { status?: string }
  const status = state.post(account, { ...draft, text })
  record({
    kind: 'accepted',
    account: account.acct,
    id: status.id,
    text: status.text,
    in_reply_to_id: status.in_reply_to?.id ?? null,
    visibility: status.visibility,
    idempotency_key,
  })
  return ok(statusView(view, status))
}

function favourite({ state, view, id, token }: Call, on: boolean): Answer {
  const account = token!.account!
  const status = state.readable(account, id)
  if (on) status.favourited_by.add(account.id)
  else status.favourited_by.delete(account.id)
  return ok({ ...statusView(view, status), favourited: on })
}

function upload({ state, record, view, file, input, token }: Call): Answer {
  if (!file) throw new Refused(422, 'Validation failed: File is missing')
  if (!/^(image|video)\//.test(file.mime_type))
    throw new Refused(422, 'Validation failed: File content type is invalid')
  const { id } = state.nextId('media')
  const description = typeof input.description === 'string' ? input.description : null
  const ready_after = state.traits.media_looks
  const media = { id, owner: token!.account!.id, mime_type: file.mime_type, description, ready_after }
  state.media.set(id, media)
  record({ kind: 'uploaded', id, bytes: file.bytes, mime_type: file.mime_type })
  return { status: ready_after > 0 ? 202 : 200, body: mediaView(view, media) }
}
