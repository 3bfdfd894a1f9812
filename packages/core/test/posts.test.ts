import type { ConnectorEvent, ConnectorMessage } from '@parley/contracts'
import type { Channel } from '@parley/db'
import fc from 'fast-check'
import t from 'tap'
import { at, author, type Inbox, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)
const RECEIVED = at('12:00:00')

/** What stands there of a channel's posts, and which threads are on them. */
const postsOf = (inbox: Inbox, channel: Channel) =>
  inbox.run(async trx => ({
    posts: await trx
      .selectFrom('posts')
      .select(['external_id', 'kind', 'text', 'permalink', 'occurred_at'])
      .select(['author_external_id', 'author_handle', 'author_name'])
      .where('channel_id', '=', channel.id)
      .orderBy('external_id')
      .execute(),
    threads: await trx
      .selectFrom('conversations as c')
      .leftJoin('posts as p', 'p.id', 'c.post_id')
      .select(['c.thread_key', 'p.external_id as post'])
      .where('c.channel_id', '=', channel.id)
      .orderBy('c.thread_key')
      .execute(),
  }))

const on = (external_id: string, time: string, post: ConnectorMessage['post'], fields = {}) =>
  message(external_id, time, { ...fields, ...(post ? { post } : {}) })

t.test('comments in many threads are on the one post that they name', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  const post = { external_id: 'post-1', text: 'Our new kettle', from_us: true, permalink: 'https://example.com/1' }
  await inbox.deliver(channel, [on('a', '09:00:00', post, { thread_key: 't-1' })], RECEIVED)
  await inbox.deliver(
    channel,
    [on('b', '09:01:00', post, { thread_key: 't-2' }), message('c', '09:02:00', { thread_key: 't-3' })],
    RECEIVED,
  )
  const { posts, threads } = await postsOf(inbox, channel)
  t.match(posts, [{ external_id: 'post-1', kind: 'own', text: 'Our new kettle', permalink: 'https://example.com/1' }])
  t.same(threads, [
    { thread_key: 't-1', post: 'post-1' },
    { thread_key: 't-2', post: 'post-1' },
    { thread_key: 't-3', post: null },
  ])
  t.same(
    (await inbox.log()).filter(type => type.startsWith('post.')),
    ['post.created'],
  )
})

t.test('a post that is a message itself has the words, the author and the time of that message', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  const post = { external_id: 'root' }
  await inbox.deliver(channel, [on('a', '09:05:00', post)], RECEIVED)
  t.match((await postsOf(inbox, channel)).posts, [{ kind: 'unknown', text: null, author_handle: null }])
  const ours = author('shop', { display_name: 'The shop' })
  await inbox.deliver(channel, [on('root', '09:00:00', post, { from_us: true, author: ours, text: 'Look!' })], RECEIVED)
  const { posts } = await postsOf(inbox, channel)
  t.match(posts, [
    { kind: 'own', text: 'Look!', author_handle: 'shop', author_name: 'The shop', occurred_at: at('09:00:00') },
  ])
  t.same(
    (await inbox.log()).filter(type => type.startsWith('post.')),
    ['post.created', 'post.updated'],
  )
})

t.test('a conversation that was there before its post was told moves onto it, and the log says so', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('a', '09:00:00')], RECEIVED)
  await inbox.deliver(channel, [on('a', '09:00:00', { external_id: 'post-1' })], RECEIVED)
  t.same((await postsOf(inbox, channel)).threads, [{ thread_key: 't-1', post: 'post-1' }])
  t.ok((await inbox.log()).includes('conversation.updated'))
  const { version } = await inbox.only('conversations')
  await inbox.deliver(channel, [on('a', '09:00:00', { external_id: 'post-1' })], RECEIVED)
  t.equal((await inbox.only('conversations')).version, version, 'told again, it stays as it is')
})

const told = fc.record({
  thread_key: fc.constantFrom('t-1', 't-2'),
  by: fc.constantFrom('ana', 'bo'),
  from_us: fc.boolean(),
  version: fc.constantFrom('10:00:00', '10:00:00', '11:00:00'),
  post: fc.option(
    fc.record(
      {
        external_id: fc.constantFrom('p-1', 'p-2', 'm-0'),
        text: fc.constantFrom('one', 'two', 'Zoë', null),
        permalink: fc.constantFrom('https://example.com/a', 'https://example.com/b'),
        author: fc.record({
          external_id: fc.constantFrom('x', 'y', null),
          handle: fc.constantFrom('x', 'y', null),
          display_name: fc.constantFrom('X', null),
        }),
        from_us: fc.boolean(),
        occurred_at: fc.constantFrom('08:00:00', '08:30:00').map(time => at(time).toISOString()),
        version_at: fc.constantFrom('08:00:00', '09:00:00').map(time => at(time).toISOString()),
      },
      { requiredKeys: ['external_id'] },
    ),
  ),
})

const deliveries = fc.array(told, { minLength: 1, maxLength: 6 }).chain(stories => {
  const events: ConnectorEvent[] = stories.map(({ thread_key, by, from_us, version, post }, index) => {
    // What we say ourselves answers somebody of the thread.
    const ours = from_us && index > 0
    return on(`m-${index}`, '09:00:00', post ?? undefined, {
      thread_key,
      author: author(by),
      from_us: ours,
      version_at: at(version).toISOString(),
    })
  })
  return fc.array(fc.constantFrom(...events), { maxLength: 4 }).chain(again => {
    const all = [...events, ...again]
    return fc.record({
      events: fc.constant(events),
      delivered: fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length }),
      size: fc.integer({ min: 1, max: 6 }),
    })
  })
})

t.test('posts told in any order, several times and in batches of any size stand there alike', async t => {
  const inbox = await openInbox()
  await fc.assert(
    fc.asyncProperty(deliveries, async ({ events, delivered, size }) => {
      const [once, other] = [await inbox.addChannel(), await inbox.addChannel()]
      await inbox.deliver(once, events, RECEIVED)
      for (let start = 0; start < delivered.length; start += size)
        await inbox.deliver(other, delivered.slice(start, start + size), RECEIVED)
      const [expected, found] = [await postsOf(inbox, once), await postsOf(inbox, other)]
      if (JSON.stringify(expected) !== JSON.stringify(found))
        throw new Error(`${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`)
    }),
    { numRuns: 60 },
  )
  t.pass()
})
