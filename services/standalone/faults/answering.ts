import { findMessage, type Message } from '@parley/db'
import type { Test } from 'tap'
import { type Channel, eventually, type World } from './world.ts'

/** A reply and the words by which its posts are known. */
export type Reply = { id: string; channel: string; text: string }

/** The conversations of a channel, once all of them are there. */
export async function conversationsOf(world: World, { id, name }: Channel, count: number): Promise<string[]> {
  const list = () =>
    world.db.inWorkspace(world.workspace_id, trx =>
      trx.selectFrom('conversations').select('id').where('channel_id', '=', id).orderBy('number').execute(),
    )
  await eventually(`${name} has ${count} conversations`, async () => (await list()).length >= count)
  return (await list()).map(conversation => conversation.id)
}

/** An agent answers each conversation. */
export async function answerAll(world: World, channel: Channel, conversations: string[]): Promise<Reply[]> {
  const replies: Reply[] = []
  for (const [index, conversation_id] of conversations.entries()) {
    const text = `answer ${index} of ${channel.name}`
    const headers = { 'idempotency-key': `${channel.name}-answer-${index}` }
    const answer = await world.admin.post(`/v1/conversations/${conversation_id}/replies`, { body: text }, headers)
    if (answer.status !== 202) throw new Error(`not taken in: ${JSON.stringify(answer.body)}`)
    replies.push({ id: answer.body.id as string, channel: channel.name, text })
  }
  return replies
}

/** What the network published for a reply. */
export const postsOf = (world: World, { channel, text }: Reply): string[] =>
  world.network
    .record()
    .flatMap(entry =>
      entry.kind === 'accepted' && entry.channel === channel && entry.text === text ? [entry.uri] : [],
    )

export async function replyNow(world: World, { id }: Reply): Promise<Message> {
  return (await world.db.inWorkspace(world.workspace_id, trx => findMessage(trx, id)))!
}

/** Nothing more happens to any of them by itself. */
export async function settled(world: World, replies: Reply[]): Promise<void> {
  for (const reply of replies) {
    await eventually(`${reply.text} is settled`, async () => {
      const { state, next_attempt_at } = await replyNow(world, reply)
      return state === 'sent' || state === 'rejected' || (state === 'unknown' && next_attempt_at === null)
    })
  }
}

/** What holds at any time, whatever went wrong. */
export async function checkReplies(t: Test, world: World, replies: Reply[]): Promise<void> {
  for (const reply of replies) {
    const posts = postsOf(world, reply)
    const { state, external_id } = await replyNow(world, reply)
    const facts = `${reply.text}: ${state}, ${posts.length} posts (seed ${world.seed})`
    t.ok(posts.length <= 1, `said at most once: ${facts}`)
    if (state === 'sent') t.same(posts, [external_id], `sent is what is there: ${facts}`)
    if (state === 'rejected' || state === 'queued') t.same(posts, [], `what is not sent is not there: ${facts}`)
  }
}

/** A person looks at the network for every reply in doubt, and decides. */
export async function decideDoubts(world: World, replies: Reply[]): Promise<number> {
  let doubts = 0
  for (const reply of replies) {
    if ((await replyNow(world, reply)).state !== 'unknown') continue
    doubts += 1
    const [post] = postsOf(world, reply)
    const { status, body } = post
      ? await world.admin.post(`/v1/messages/${reply.id}/mark_sent`, { external_id: post })
      : await world.admin.post(`/v1/messages/${reply.id}/retry`, undefined, { 'idempotency-key': `again-${reply.id}` })
    if (status >= 300) throw new Error(`not decided: ${JSON.stringify(body)}`)
  }
  return doubts
}

/** In the end each reply is sent, and there once. */
export async function checkAllSaid(t: Test, world: World, replies: Reply[]): Promise<void> {
  await checkReplies(t, world, replies)
  for (const reply of replies) {
    const { state } = await replyNow(world, reply)
    t.same([state, postsOf(world, reply).length], ['sent', 1], `${reply.text} (seed ${world.seed})`)
  }
}
