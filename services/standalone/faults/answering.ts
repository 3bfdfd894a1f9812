import { findMessage, type Message } from '@parley/db'
import type { Test } from 'tap'
import { type Channel, eventually, type World } from './world.ts'

/** A reply and the words by which its posts are known. */
export type Reply = { id: string; channel: string; text: string }

/** The conversations of a channel, once all of them are there. */
export async function conversationsOf(world: World, channel: Channel, count: number): Promise<string[]> {
  const list = () => listConversations(world, channel)
  await eventually(`${channel.name} has ${count} conversations`, async () => (await list()).length >= count)
  return (await list()).map(conversation => conversation.id)
}

const listConversations = (world: World, { id }: Channel) =>
  world.db.inWorkspace(world.workspace_id, trx =>
    trx.selectFrom('conversations').select('id').where('channel_id', '=', id).orderBy('number').execute(),
  )

/** So many customers ask a shop something, each in a conversation of their own. */
export async function askShop(world: World, shop: Channel, count: number): Promise<string[]> {
  for (let index = 0; index < count; index += 1) await world.post(shop, oneQuestion(world, shop, index))
  return conversationsOf(world, shop, count)
}

/** The same for an account. */
export async function askAccount(world: World, account: Channel, count: number): Promise<string[]> {
  for (let index = 0; index < count; index += 1) await world.publish(account, oneQuestion(world, account, index))
  await eventually(`${account.name} is read`, async () => {
    await world.makeDue(account)
    return (await listConversations(world, account)).length >= count
  })
  return conversationsOf(world, account, count)
}

const oneQuestion = ({ seed }: World, { name }: Channel, index: number) => ({
  messages: 1,
  name: `${name}-${seed}-${index}`,
  seed: seed + index,
  edited: 0,
  deleted: 0,
})

/** An agent answers one conversation; the text is theirs alone. */
export async function answer(world: World, channel: Channel, conversation_id: string, text: string): Promise<Reply> {
  const headers = { 'idempotency-key': text.replaceAll(' ', '-') }
  const { status, body } = await world.admin.post(
    `/v1/conversations/${conversation_id}/replies`,
    { body: text },
    headers,
  )
  if (status !== 202) throw new Error(`not taken in: ${JSON.stringify(body)}`)
  return { id: body.id as string, channel: channel.name, text }
}

/** An agent answers each conversation. */
export async function answerAll(world: World, channel: Channel, conversations: string[]): Promise<Reply[]> {
  const replies: Reply[] = []
  for (const [index, conversation_id] of conversations.entries()) {
    replies.push(await answer(world, channel, conversation_id, `answer ${index} of ${channel.name}`))
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

/** All of them are in that state at once. */
export const reach = (world: World, state: string, replies: Reply[]): Promise<unknown> =>
  eventually(`${replies.map(({ text }) => text).join(', ')}: ${state}`, async () => {
    const states = await Promise.all(replies.map(async reply => (await replyNow(world, reply)).state))
    return states.every(now => now === state)
  })

/** Nothing more happens to any of them by itself. */
export async function settled(world: World, replies: Reply[]): Promise<void> {
  for (const reply of replies) {
    await eventually(`${reply.text} is settled`, async () => {
      const { state, next_attempt_at } = await replyNow(world, reply)
      return ['sent', 'rejected', 'cancelled'].includes(state) || (state === 'unknown' && next_attempt_at === null)
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
    if (['rejected', 'cancelled', 'queued'].includes(state))
      t.same(posts, [], `what is not sent is not there: ${facts}`)
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
