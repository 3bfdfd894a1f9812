import type { StoryEvent } from './story.ts'

export type Account = {
  /** What it logs in with, and its name in the record. */
  identifier: string
  password: string
  did: string
  /** Rises when tokens are revoked: older ones are refused then. */
  epoch: number
  passwordWorks: boolean
  /** Everything that was ever published, by the id of its message. */
  published: Map<string, Listed>
  posts: Map<string, { cid: string; record: unknown }>
}

/** One entry of the notifications; `event` is absent for what is no message. */
export type Listed = { uri: string; indexed_at: string; notification: Record<string, unknown>; event?: StoryEvent }

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567'

/** A DID that is the same for the same name. */
export function didOf(name: string): string {
  let state = 7
  let text = ''
  for (let at = 0; at < 24; at += 1) {
    for (const character of name) state = (Math.imul(state, 31) + character.charCodeAt(0) + at) >>> 0
    text += BASE32[(state >>> 11) % 32]
  }
  return `did:plc:${text}`
}

/** The AT-URI of a story's message; its author is part of it. */
export function uriOf(external_id: string, author_id: string): string {
  return `at://${didOf(author_id)}/app.bsky.feed.post/${external_id}`
}

/** The story's event as the account is notified of it: its ids are those of the network from here on. */
export function listedOf(event: StoryEvent, uris: Map<string, string>): Listed {
  const uri = uriOf(event.external_id, event.author.id)
  uris.set(event.external_id, uri)
  const root = uris.get(event.thread) ?? uri
  const ref = { uri: root, cid: `bafy-${event.thread}-1` }
  const reply = root === uri ? {} : { reply: { root: ref, parent: ref } }
  const cid = `bafy-${event.external_id}-${event.version}`
  return {
    uri,
    indexed_at: event.occurred_at,
    event: { ...event, external_id: uri, thread: root, id: `${uri}#${cid}` },
    notification: {
      uri,
      cid,
      author: { did: didOf(event.author.id), handle: 'handle.invalid', displayName: event.author.name },
      reason: root === uri ? 'mention' : 'reply',
      record: { $type: 'app.bsky.feed.post', text: event.text, createdAt: event.occurred_at, ...reply },
      isRead: false,
      indexedAt: event.occurred_at,
    },
  }
}
