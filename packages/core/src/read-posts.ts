import type { ConnectorMessage } from '@parley/contracts'
import { type NewPost, newId } from '@parley/db'
import { cutText } from '@parley/domain'
import { boundedKey } from './bounded-key.ts'
import type { NormalisedEvent } from './read-batch.ts'

/** A post is shown above what is said on it, and is not the place to read a book. */
const MAX_TEXT_BYTES = 64 * 1024

export type ToldPosts = {
  /** One for each post, with the newest that the batch tells of it. */
  posts: NewPost[]
  /** Which posts the messages of a thread say they are on, by its key. */
  ofThread: Map<string, Set<string>>
}

/** The posts that a batch tells of, in whatever order and however often it does. */
export function readPosts(batch: NormalisedEvent[], channel_id: string, now: Date): ToldPosts {
  const posts = new Map<string, NewPost>()
  const ofThread = new Map<string, Set<string>>()
  for (const { event, received_at } of batch) {
    if (event.type !== 'message' || !event.post) continue
    const post = { id: newId(now), channel_id, ...describePost(event, event.post, received_at) }
    const { external_id } = post
    const known = posts.get(external_id)
    posts.set(external_id, known ? joined(known, post) : post)
    const thread_key = boundedKey(event.thread_key)
    ofThread.set(thread_key, (ofThread.get(thread_key) ?? new Set()).add(external_id))
  }
  return { posts: [...posts.values()], ofThread }
}

function describePost(
  message: ConnectorMessage,
  post: NonNullable<ConnectorMessage['post']>,
  received_at: Date,
): Omit<NewPost, 'id' | 'channel_id'> {
  const told = message.external_id === post.external_id ? { ...post, ...itself(message) } : post
  const version_at = new Date(told.version_at ?? message.version_at)
  const { text = null, permalink = null, author, from_us } = told
  const named = Boolean(author?.handle || author?.display_name)
  const said_at = new Date(message.occurred_at)
  return {
    external_id: boundedKey(post.external_id),
    kind: from_us === undefined ? 'unknown' : from_us ? 'own' : 'theirs',
    author_external_id: author?.external_id ? boundedKey(author.external_id) : null,
    author_handle: author?.handle ?? null,
    author_name: author?.display_name ?? null,
    author_at: named ? version_at : null,
    text: text && cutText(text, MAX_TEXT_BYTES),
    text_at: text ? version_at : null,
    permalink,
    permalink_at: permalink ? version_at : null,
    occurred_at: told.occurred_at ? new Date(told.occurred_at) : null,
    first_seen_at: received_at,
    last_message_at: said_at < received_at ? said_at : received_at,
  }
}

/** A message that is the post tells what it is. */
function itself({ text, permalink, author, from_us, occurred_at, version_at }: ConnectorMessage) {
  const { external_id, handle, display_name } = author
  return {
    ...(text ? { text } : {}),
    ...(permalink ? { permalink } : {}),
    author: { external_id, handle, display_name },
    from_us,
    occurred_at,
    version_at,
  }
}

/** What is known of one post from two tellings; the statement that stores them decides alike. */
function joined(a: NewPost, b: NewPost): NewPost {
  const author = newer(a, b, 'author_at', ['author_handle', 'author_name'])
  const text = newer(a, b, 'text_at', ['text'])
  const permalink = newer(a, b, 'permalink_at', ['permalink'])
  return {
    ...a,
    kind: a.kind < b.kind ? a.kind : b.kind,
    author_external_id: lesser(a.author_external_id, b.author_external_id),
    author_handle: author.author_handle,
    author_name: author.author_name,
    author_at: author.author_at,
    text: text.text,
    text_at: text.text_at,
    permalink: permalink.permalink,
    permalink_at: permalink.permalink_at,
    occurred_at:
      a.occurred_at && b.occurred_at && b.occurred_at < a.occurred_at
        ? b.occurred_at
        : (a.occurred_at ?? b.occurred_at),
    first_seen_at: b.first_seen_at < a.first_seen_at ? b.first_seen_at : a.first_seen_at,
    last_message_at: b.last_message_at > a.last_message_at ? b.last_message_at : a.last_message_at,
  }
}

type Text = 'author_handle' | 'author_name' | 'text' | 'permalink'

/** Of two tellings of the same moment the greater text counts: any rule will do that no order of arrival can change. */
function newer(a: NewPost, b: NewPost, at: 'author_at' | 'text_at' | 'permalink_at', texts: Text[]): NewPost {
  const [one, other] = [a[at], b[at]]
  if (!one || !other) return one ? a : b
  const order =
    one.getTime() - other.getTime() ||
    texts.map(text => compareBytes(a[text] ?? '', b[text] ?? '')).find(order => order !== 0) ||
    0
  return order < 0 ? b : a
}

const lesser = (a: string | null, b: string | null) => (a && b ? (compareBytes(a, b) <= 0 ? a : b) : (a ?? b))

export const compareBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
