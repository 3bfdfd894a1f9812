import { z } from 'zod'
import type { PollPage, ReceivedEvent } from '../connector.ts'
import { ChannelAuthError } from '../errors.ts'
import { storable } from '../text/storable.ts'
import { failureOf, idIn, MastodonFailure } from './client.ts'
import { type KnownPost, type PollCursor, withKnown } from './cursor.ts'
import { statusEntity } from './entities.ts'
import type { StoredDeletion } from './stored.ts'
import { type Placing, postEvent, versionOf } from './threads.ts'

/** As many as the server gives at once. */
const BATCH = 20
const EVERY_MS = 30_000

const statusesBody = z.array(z.unknown())
type Page = PollPage & { cursor: PollCursor }

/**
 * Looks at some of the messages that came lately: nothing else tells of their edits and deletions. All of them are seen
 * once in five minutes; servers that do not give several posts at once are not asked. What is new never waits for it.
 */
export async function reread(placing: Placing, page: Page): Promise<PollPage> {
  const { cursor } = page
  const { known } = cursor
  const now = placing.context.now()
  const due = cursor.reread.at === null || now.getTime() - Date.parse(cursor.reread.at) >= EVERY_MS
  if (cursor.reread.absent || known.length === 0 || !due) return page
  // From the newest on, as most changes come soon.
  const from = cursor.reread.next < known.length ? cursor.reread.next : 0
  const batch = known.toReversed().slice(from, from + BATCH)
  const turn = { at: now.toISOString(), next: from + BATCH, absent: false }
  try {
    const found = await readBatch(placing, batch)
    if (!found) return { ...page, cursor: { ...cursor, reread: { ...turn, absent: true } } }
    const later = { known: withoutPosts(withKnown(known, found.edited), found.deleted), reread: turn }
    return { ...page, events: [...page.events, ...found.events], cursor: { ...cursor, ...later } }
  } catch (error) {
    if (error instanceof ChannelAuthError) throw error
    if (!(error instanceof MastodonFailure)) throw error
    // Only a limit concerns the rest of the channel.
    const failed = error.status === 429 ? { failed: error } : {}
    return { ...page, cursor: { ...cursor, reread: { ...cursor.reread, at: turn.at } }, ...failed }
  }
}

type Changes = { events: ReceivedEvent[]; edited: KnownPost[]; deleted: Set<string> }

/** Undefined where the server cannot do it. */
async function readBatch(placing: Placing, batch: KnownPost[]): Promise<Changes | undefined> {
  const answer = await placing.session.call({ path: '/api/v1/statuses', query: { id: batch.map(({ id }) => id) } })
  const listed = answer.ok ? statusesBody.safeParse(answer.body).data : undefined
  if (!listed) {
    if ([400, 404, 405, 422].includes(answer.status) || answer.ok) return undefined
    throw failureOf(answer, placing.context.now())
  }
  const changes: Changes = { events: [], edited: [], deleted: new Set() }
  const statuses = new Map(
    listed.flatMap(raw => {
      const status = statusEntity.safeParse(raw).data
      return status ? [[status.id, { status, raw }] as const] : []
    }),
  )
  for (const post of batch) {
    const found = statuses.get(post.id)
    if (!found) {
      if (await isGone(placing, post.id)) {
        changes.deleted.add(post.id)
        changes.events.push(deletionEvent(placing, post))
      }
      continue
    }
    const { version } = versionOf(found.status)
    if (version === null || version === post.version) continue
    const edited = { ...post, version }
    const parent_is_ours = found.status.in_reply_to_account_id === placing.our.our_id
    changes.edited.push(edited)
    changes.events.push(postEvent(placing.our, edited, parent_is_ours, found.raw))
  }
  return changes
}

/** A post that is not among several is asked for by itself: a deletion cannot be taken back here. */
async function isGone({ session }: Placing, id: string): Promise<boolean> {
  const { status, error } = await session.call({ path: `/api/v1/statuses/${idIn(id)}` })
  return status === 410 || (status === 404 && error !== null)
}

function deletionEvent({ our, context }: Placing, { id, root }: KnownPost): ReceivedEvent {
  const payload: StoredDeletion = { our_id: our.our_id, deleted_id: id, noticed_at: context.now().toISOString() }
  return { dedup_key: `${id}#deleted`, thread_key: storable(root), payload }
}

function withoutPosts(known: KnownPost[], gone: Set<string>): KnownPost[] {
  return known.filter(({ id }) => !gone.has(id))
}
