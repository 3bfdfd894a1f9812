import { randomBytes } from 'node:crypto'
import { idOf } from './ids.ts'
import { type Account, type Media, type NewStatus, type Notification, type Status, type Token, USUAL } from './model.ts'
import type { MastodonRecorder } from './record.ts'

export class Refused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const gone = () => new Refused(404, 'Record not found')

const MENTION = /(?<![\w/])@([\w.-]*\w)(?:@([\w.-]*\w))?/g

const POLICY = {
  for_not_following: 'accept',
  for_not_followers: 'accept',
  for_new_accounts: 'accept',
  for_private_mentions: 'filter',
  for_limited_accounts: 'filter',
}

/** Accounts and what they wrote, on one server; those of other servers are here as it knows them. */
export class ServerState {
  readonly traits = { ...USUAL }
  readonly accounts: Account[] = []
  readonly tokens = new Map<string, Token>()
  readonly statuses = new Map<string, Status>()
  readonly media = new Map<string, Media>()
  notifications: Notification[] = []
  /** Called with whoever is to hear of something at once. */
  onNotification: (to: Account, event: string, status: Status) => void = () => {}
  readonly #record: MastodonRecorder
  #seq = 0

  constructor(record: MastodonRecorder) {
    this.#record = record
  }

  nextId(kind: string, at = new Date()): { id: string; seq: number } {
    this.#seq += 1
    return { id: idOf(this.traits.ids, kind, this.#seq, at), seq: this.#seq }
  }

  account(acct: string): Account {
    const account = this.accounts.find(known => known.acct === acct)
    if (!account) throw new Error(`no account ${acct}`)
    return account
  }

  addAccount(acct: string, fields: Partial<Pick<Account, 'display_name' | 'bot'>> = {}): Account {
    const fresh = { follows: new Set<string>(), policy: { ...POLICY } }
    const account = { ...this.nextId('account'), acct, display_name: acct, bot: false, ...fields, ...fresh }
    this.accounts.push(account)
    return account
  }

  grant(account: Account | null, scopes: string[], renewable = false): { token: string; refresh_token: string | null } {
    const token = randomBytes(16).toString('hex')
    const refresh_token = renewable ? randomBytes(16).toString('hex') : null
    this.tokens.set(token, { account, scopes, refresh_token })
    return { token, refresh_token }
  }

  mayRead(reader: Account, status: Status): boolean {
    if (status.deleted) return false
    if (status.visibility === 'public' || status.visibility === 'unlisted') return true
    if (status.account === reader || status.mentions.includes(reader)) return true
    return status.visibility === 'private' && reader.follows.has(status.account.id)
  }

  readable(reader: Account, id: string): Status {
    const status = this.statuses.get(id)
    if (!status || !this.mayRead(reader, status)) throw gone()
    return status
  }

  post(author: Account, draft: NewStatus): Status {
    const { text, spoiler_text = '', in_reply_to_id, quoted_status_id, media_ids = [] } = draft
    const media = media_ids.map(id => this.#attachable(author, id))
    if (text.trim() === '' && media.length === 0) throw new Refused(422, "Validation failed: Text can't be blank")
    this.checkLength(text, spoiler_text)
    const parent = in_reply_to_id === undefined ? null : this.statuses.get(in_reply_to_id)
    if (in_reply_to_id !== undefined && (!parent || !this.mayRead(author, parent)))
      throw new Refused(404, 'The post you are trying to reply to does not appear to exist.')
    const created_at = draft.created_at ?? new Date().toISOString()
    const status: Status = {
      ...this.nextId('status', new Date(created_at)),
      account: author,
      text,
      spoiler_text,
      sensitive: draft.sensitive ?? spoiler_text !== '',
      visibility: draft.visibility ?? 'public',
      language: draft.language ?? null,
      in_reply_to: parent ?? null,
      quoted: quoted_status_id ? this.readable(author, quoted_status_id) : null,
      mentions: this.#mentionsIn(text, author),
      media,
      created_at,
      edited_at: null,
      favourited_by: new Set(),
      deleted: false,
    }
    this.statuses.set(status.id, status)
    for (const to of status.mentions) this.#notify('mention', to, status)
    if (status.quoted && status.quoted.account !== author) this.#notify('quote', status.quoted.account, status)
    return status
  }

  edit(status: Status, change: { text: string; spoiler_text?: string; media_ids?: string[] }): void {
    this.checkLength(change.text, change.spoiler_text ?? '')
    const before = status.mentions
    status.text = change.text
    status.spoiler_text = change.spoiler_text ?? ''
    status.media = (change.media_ids ?? []).map(id => this.#attachable(status.account, id))
    status.edited_at = new Date().toISOString()
    status.mentions = this.#mentionsIn(change.text, status.account)
    // Whoever was mentioned before hears nothing of it but through a stream.
    for (const to of status.mentions) {
      if (before.includes(to)) this.onNotification(to, 'status.update', status)
      else this.#notify('mention', to, status)
    }
    this.#record({ kind: 'edited', id: status.id, text: status.text })
  }

  remove(status: Status): void {
    status.deleted = true
    this.notifications = this.notifications.filter(notification => notification.status !== status)
    // As Mastodon does: what answered it begins a thread of its own.
    for (const other of this.statuses.values()) if (other.in_reply_to === status) other.in_reply_to = null
    this.#record({ kind: 'deleted', id: status.id })
  }

  ancestorsOf(reader: Account, status: Status): Status[] {
    const found: Status[] = []
    for (let at = status.in_reply_to; at && this.mayRead(reader, at); at = at.in_reply_to) found.unshift(at)
    return found
  }

  descendantsOf(reader: Account, status: Status): Status[] {
    const children = [...this.statuses.values()].filter(
      ({ in_reply_to, deleted }) => in_reply_to === status && !deleted,
    )
    return children
      .filter(child => this.mayRead(reader, child))
      .flatMap(child => [child, ...this.descendantsOf(reader, child)])
  }

  checkLength(text: string, spoiler_text: string): void {
    const counted = `${spoiler_text}${text}`
      .replaceAll(/https?:\/\/\S+/g, 'x'.repeat(23))
      .replaceAll(/(@[\w.-]*\w)@[\w.-]*\w/g, '$1')
    if ([...new Intl.Segmenter().segment(counted)].length > this.traits.max_characters)
      throw new Refused(422, `Validation failed: Text character limit of ${this.traits.max_characters} exceeded`)
  }

  #attachable(owner: Account, id: string): Media {
    const media = this.media.get(id)
    if (!media || media.owner !== owner.id) throw new Refused(422, 'Validation failed: Media not found')
    if (media.ready_after > 0)
      throw new Refused(422, 'Cannot attach files that have not finished processing. Try again in a moment!')
    return media
  }

  #mentionsIn(text: string, author: Account): Account[] {
    const found = [...text.matchAll(MENTION)].flatMap(([, name, host]) =>
      this.accounts.filter(({ acct }) => acct === (host && !this.#isHere(host) ? `${name}@${host}` : name)),
    )
    return [...new Set(found)].filter(account => account !== author)
  }

  #isHere(host: string): boolean {
    return host === '127.0.0.1' || host === 'here.example'
  }

  #notify(type: string, to: Account, status: Status): void {
    const stranger = !to.follows.has(status.account.id)
    const answersDirect = status.in_reply_to?.account === to && status.in_reply_to.visibility === 'direct'
    const decisions = [
      ...(stranger ? [to.policy.for_not_following] : []),
      ...(stranger && status.visibility === 'direct' && !answersDirect ? [to.policy.for_private_mentions] : []),
    ]
    if (decisions.includes('drop')) return
    const filtered = decisions.includes('filter')
    const created_at = status.edited_at ?? status.created_at
    this.notifications.push({
      ...this.nextId('notification', new Date(created_at)),
      type,
      to,
      status,
      created_at,
      filtered,
    })
    if (!filtered) this.onNotification(to, 'notification', status)
  }
}
