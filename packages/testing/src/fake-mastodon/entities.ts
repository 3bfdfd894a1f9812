import type { Account, Media, Notification, Status } from './model.ts'

/** As an address shows them: the server's own, or that of the server the account lives on. */
export type View = { origin: string; sparse: boolean }

export function accountView({ origin, sparse }: View, account: Account) {
  const [name, host] = account.acct.split('@') as [string, string | undefined]
  const home = host ? `https://${host}` : origin
  const least = { id: account.id, acct: account.acct, username: name, url: `${home}/@${name}` }
  if (sparse) return least
  return {
    ...least,
    uri: `${home}/users/${name}`,
    display_name: account.display_name,
    avatar: `${home}/avatars/${name}.png`,
    avatar_static: `${home}/avatars/${name}.png`,
    header: '',
    header_static: '',
    locked: false,
    bot: account.bot,
    note: '<p>Hello</p>',
    fields: [],
    emojis: [],
    created_at: '2024-01-01T00:00:00.000Z',
    followers_count: 1,
    following_count: 1,
    statuses_count: 1,
  }
}

export function statusView(view: View, status: Status): Record<string, unknown> {
  const least = {
    id: status.id,
    created_at: status.created_at,
    account: accountView(view, status.account),
    content: contentOf(view, status),
    visibility: status.visibility,
    in_reply_to_id: status.in_reply_to?.id ?? null,
    mentions: status.mentions.map(account => {
      const { id, acct, username, url } = accountView(view, account)
      return { id, acct, username, url }
    }),
  }
  if (view.sparse) return least
  return {
    ...least,
    uri: `${view.origin}/statuses/${status.id}`,
    url: `${view.origin}/@${status.account.acct}/${status.id}`,
    in_reply_to_account_id: status.in_reply_to?.account.id ?? null,
    spoiler_text: status.spoiler_text,
    sensitive: status.sensitive,
    language: status.language,
    edited_at: status.edited_at,
    media_attachments: status.media.map(media => mediaView(view, media)),
    quote: status.quoted && {
      state: 'accepted',
      quoted_status: { ...statusView(view, { ...status.quoted, quoted: null }), quote: null },
    },
    emojis: [],
    tags: [],
    replies_count: 0,
    reblogs_count: 0,
    favourites_count: status.favourited_by.size,
    favourited: false,
    reblogged: false,
    muted: false,
    bookmarked: false,
    pinned: false,
    reblog: null,
    card: null,
    poll: null,
    application: null,
    filtered: [],
  }
}

export function notificationView(view: View, { id, type, created_at, status }: Notification) {
  return {
    id,
    type,
    created_at,
    group_key: `ungrouped-${id}`,
    account: accountView(view, status.account),
    status: statusView(view, status),
  }
}

export function mediaView({ origin }: View, { id, mime_type, description, ready_after }: Media) {
  const url = ready_after > 0 ? null : `${origin}/files/${id}.${mime_type.split('/')[1]}`
  return { id, type: mime_type.split('/')[0], url, preview_url: url, remote_url: null, description, meta: {} }
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** As Mastodon writes it: links in pieces of which some are hidden, mentions without their server. */
function contentOf(view: View, { text, mentions, quoted }: Status): string {
  const paragraphs = text.split('\n\n').map(part => `<p>${escaped(part).replaceAll('\n', '<br />')}</p>`)
  const html = paragraphs
    .join('')
    .replaceAll(/https?:\/\/([^\s<]+)/g, (url, rest: string) => {
      const shown = `<span class="ellipsis">${rest.slice(0, 30)}</span><span class="invisible">${rest.slice(30)}</span>`
      return `<a href="${url}" rel="nofollow"><span class="invisible">https://</span>${shown}</a>`
    })
    .replaceAll(/(?<![\w/])@([\w.-]*\w)(?:@([\w.-]*\w))?/g, (written, name: string) => {
      const account = mentions.find(({ acct }) => acct.split('@')[0] === name)
      if (!account) return written
      const { url, username } = accountView(view, account)
      return `<span class="h-card" translate="no"><a href="${url}" class="u-url mention">@<span>${username}</span></a></span>`
    })
  const quote = quoted ? `<p class="quote-inline">RE: <a href="${view.origin}/statuses/${quoted.id}">…</a></p>` : ''
  return quote + html
}
