import { randomUUID } from 'node:crypto'
import { acceptInbound, ledgerEntries } from '@parley/core'
import { has } from '@parley/testing'
import t from 'tap'
import { at, author, CONNECTED, deletion, message, openInboxes, setStatus } from './inbox.ts'

const { openInbox } = await openInboxes(t)

const inArow = Array.from({ length: 120 }, (_, index) => index)

t.test('a comment delivered twice becomes one message, in one batch and in two', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  const comment = message('m-1', '09:00:00')
  await inbox.deliver(channel, [comment, comment], at('09:00:01'))
  const [first, wait] = [await inbox.only('messages'), await inbox.only('waits')]
  await inbox.deliver(channel, [comment], at('09:00:02'))
  t.same(await inbox.only('messages'), first)
  t.same(await inbox.only('waits'), wait)
  t.equal((await inbox.only('conversations')).version, 1)
  t.same(await inbox.log(), ['contact.created', 'conversation.created', 'message.received'])
})

t.test('a newer version replaces the text, an older one changes nothing but shows that there was an edit', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  const version = (time: string, text: string) =>
    message('m-1', '09:00:00', { version_at: at(time).toISOString(), text })
  await inbox.deliver(channel, [version('09:10:00', 'second')], at('09:20:00'))
  has(t, await inbox.only('messages'), { body: 'second', edited_at: null })
  await inbox.deliver(channel, [version('09:00:00', 'first')], at('09:20:01'))
  has(t, await inbox.only('messages'), { body: 'second', version_at: at('09:10:00'), edited_at: at('09:10:00') })
  await inbox.deliver(channel, [version('09:11:00', 'third'), version('09:05:00', 'between')], at('09:20:02'))
  has(t, await inbox.only('messages'), { body: 'third', edited_at: at('09:11:00'), occurred_at: at('09:00:00') })
  t.equal((await inbox.only('conversations')).version, 1, 'an edit moves nothing in the conversation')
  t.equal((await inbox.only('waits')).opened_at.toISOString(), at('09:00:00').toISOString())
})

t.test('versions are compared as instants, however they are written', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  const newer = message('m-1', '09:00:00', { version_at: '2026-03-02T09:10:00Z', text: 'newer' })
  const older = message('m-1', '09:00:00', { version_at: '2026-03-02T11:05:00+02:00', text: 'older' })
  await inbox.deliver(channel, [newer, older], at('09:20:00'))
  t.equal((await inbox.only('messages')).body, 'newer')
})

t.test('a deletion before its message still wins, in another batch and in the same one', async t => {
  for (const batches of [[['deletion'], ['message']], [['message', 'deletion']], [['deletion', 'message']]]) {
    const inbox = await openInbox()
    await inbox.promise()
    const channel = await inbox.addChannel()
    const events = { message: message('m-1', '09:00:00'), deletion: deletion('m-1', '09:00:30') }
    for (const names of batches) {
      await inbox.deliver(
        channel,
        names.map(name => events[name as keyof typeof events]),
        at('09:01:00'),
      )
    }
    t.same((await inbox.only('messages')).deleted_at, at('09:00:30'), JSON.stringify(batches))
    t.same(await inbox.everything('waits'), [], 'nobody waited for a moment')
    t.same((await inbox.only('conversations')).waiting_since, null)
    t.same(await inbox.log(), ['contact.created', 'conversation.created', 'message.received', 'message.deleted'])
    const edit = message('m-1', '09:00:00', { version_at: at('09:00:45').toISOString(), text: 'edited' })
    await inbox.deliver(channel, [edit], at('09:02:00'))
    has(t, await inbox.only('messages'), { deleted_at: at('09:00:30'), body: 'edited' }, 'an edit brings nothing back')
  }
})

t.test('a message is deleted once, at the earliest time that its network named', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  for (const time of ['09:05:00', '09:04:00', '09:06:00'])
    await inbox.deliver(channel, [deletion('m-1', time)], at('09:10:00'))
  t.same((await inbox.only('messages')).deleted_at, at('09:04:00'))
  t.same((await inbox.log()).filter(type => type === 'message.deleted').length, 1)
})

t.test('a later deletion cancels the wait, or moves it to the next message of that customer', async t => {
  const inbox = await openInbox()
  await inbox.promise({ first: 3600 })
  const channel = await inbox.addChannel()
  const ben = { author: 'ben' }
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  await inbox.deliver(channel, [message('b-1', '09:01:00', ben), message('m-2', '09:02:00')], at('09:02:01'))
  await inbox.deliver(channel, [deletion('m-1', '09:03:00')], at('09:03:01'))
  const [first] = await inbox.everything('waits')
  has(t, first, { opened_at: at('09:02:00'), closed_at: null })
  const [clock] = await inbox.everything('sla_clocks')
  has(t, clock, { started_at: at('09:02:00'), due_at: at('10:02:00'), state: 'running' })
  t.same((await inbox.only('conversations')).waiting_since, at('09:01:00'), 'Ben waits longer now')

  await inbox.deliver(channel, [deletion('m-2', '09:04:00')], at('09:04:01'))
  const [cancelled] = await inbox.everything('waits')
  has(t, cancelled, { closed_at: at('09:04:01'), cancelled_reason: 'customer_deleted', closed_by_message_id: null })
  has(t, (await inbox.everything('sla_clocks'))[0], { state: 'cancelled', cancelled_reason: 'customer_deleted' })
  t.same((await inbox.only('conversations')).waiting_since, at('09:01:00'))

  await inbox.deliver(channel, [message('m-3', '09:05:00')], at('09:05:01'))
  const clocks = await inbox.everything('sla_clocks')
  has(t, clocks[2], { metric: 'first_response', started_at: at('09:05:00') }, 'Ana has had no answer yet')
})

t.test('a wait moves on to the oldest message that is left, whatever the order in which they came', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  for (const [id, time] of [
    ['m-1', '09:00:00'],
    ['m-3', '09:02:00'],
    ['m-2', '09:01:00'],
  ] as const) {
    await inbox.deliver(channel, [message(id, time)], at('09:03:00'))
  }
  await inbox.deliver(channel, [deletion('m-1', '09:04:00')], at('09:04:01'))
  has(t, await inbox.only('waits'), { opened_at: at('09:01:00'), closed_at: null })
  await inbox.deliver(channel, [deletion('m-2', '09:05:00')], at('09:05:01'))
  has(t, await inbox.only('waits'), { opened_at: at('09:02:00'), closed_at: null })
})

t.test('a wait survives the deletion of its message however many others spoke in between', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  const others = inArow.map(index => message(`o-${index}`, '09:01:00', { author: `other-${index}` }))
  const events = [message('m-1', '09:00:00'), ...others, message('m-2', '09:02:00')]
  await inbox.deliver(channel, events, at('09:03:00'))
  await inbox.deliver(channel, [deletion('m-1', '09:04:00')], at('09:04:01'))
  const moved = (await inbox.everything('waits')).filter(wait => wait.opened_at > at('09:01:00'))
  has(t, moved, [{ opened_at: at('09:02:00'), closed_at: null }])
})

t.test('a wait moves to an older message that came later, as well as to one of the same moment', async t => {
  const inbox = await openInbox()
  await inbox.promise({ first: 3600 })
  const channel = await inbox.addChannel()
  // All were written before the channel was connected, so that all waits begin when it was.
  await inbox.deliver(channel, [message('m-2', '07:30:00')], at('09:00:00'))
  await inbox.deliver(channel, [message('m-1', '07:00:00')], at('09:00:01'))
  t.same((await inbox.only('waits')).opened_at, CONNECTED, 'nobody waits on a channel that is not connected')
  await inbox.deliver(channel, [deletion('m-2', '09:00:02')], at('09:00:03'))
  has(t, await inbox.only('waits'), { opened_at: CONNECTED, closed_at: null }, 'the other one is unanswered')
  has(t, await inbox.only('sla_clocks'), { started_at: CONNECTED, due_at: at('09:00:00') })
})

t.test('a late older message moves the clock under the promise it was started with', async t => {
  const inbox = await openInbox()
  await inbox.promise({ first: 3600 })
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-2', '09:30:00')], at('09:30:01'))
  await inbox.promise({ first: 60 })
  await inbox.deliver(channel, [message('m-1', '09:20:00')], at('09:30:02'))
  has(t, await inbox.only('sla_clocks'), { started_at: at('09:20:00'), target_seconds: 3600, due_at: at('10:20:00') })
  t.ok((await inbox.log()).includes('sla.retargeted'))
})

t.test('two customers in one thread have one wait each', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  const ben = { author: 'ben' }
  const events = [message('m-1', '09:00:00'), message('b-1', '09:01:00', ben), message('m-2', '09:02:00')]
  await inbox.deliver(channel, events, at('09:03:00'))
  const waits = await inbox.everything('waits')
  t.same(waits.map(wait => wait.opened_at).sort(), [at('09:00:00'), at('09:01:00')])
  t.equal(new Set(waits.map(wait => wait.contact_id)).size, 2)
  has(t, await inbox.only('conversations'), { waiting_since: at('09:00:00'), last_message_at: at('09:02:00') })
})

t.test('a message after resolving opens the conversation again; one that is deleted already does not', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  await setStatus(inbox, 'resolved', at('09:05:00'))
  await inbox.deliver(channel, [deletion('m-2', '09:06:30'), message('m-2', '09:06:00')], at('09:07:00'))
  has(t, await inbox.only('conversations'), { status: 'resolved', last_message_at: at('09:06:00') })
  await inbox.deliver(channel, [message('m-3', '09:08:00')], at('09:08:01'))
  has(t, await inbox.only('conversations'), { status: 'open', resolved_at: null, last_message_at: at('09:08:00') })
  t.equal((await inbox.log()).at(-1), 'conversation.reopened')
})

t.test('spam stays spam', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  await setStatus(inbox, 'spam', at('09:05:00'))
  await inbox.deliver(channel, [message('m-2', '09:06:00')], at('09:06:01'))
  has(t, await inbox.only('conversations'), { status: 'spam', last_message_at: at('09:06:00') })
  t.notOk((await inbox.log()).includes('conversation.reopened'))
})

t.test('what our own account wrote opens no wait, and what is no message ends as ignored', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  const events = [
    message('m-1', '09:00:00', { from_us: true }),
    message('m-2', '09:01:00'),
    { type: 'ignored' as const, reason: 'ping' },
    deletion('m-9', '09:02:00'),
  ]
  await inbox.deliver(channel, events, at('09:03:00'))
  const ours = (await inbox.everything('messages')).find(row => row.external_id === 'm-1')
  has(t, ours, { direction: 'outbound', state: 'sent', author_type: 'native' })
  has(t, await inbox.only('waits'), { opened_at: at('09:01:00') })
  const states = (await inbox.ledger()).map(({ payload, state }) => [
    (payload as { external_id?: string }).external_id,
    state,
  ])
  t.same(new Set(states.map(String)), new Set(['m-1,done', 'm-2,done', ',ignored', 'm-9,done']))
  t.same(new Set((await inbox.everything('inbound_events')).map(row => row.processed_at?.getTime())).size, 1)
})

t.test('the same account on two generic channels is two people, on two Bluesky channels one', async t => {
  const inbox = await openInbox()
  for (const kind of ['generic', 'bluesky'] as const) {
    for (const thread_key of ['t-1', 't-2']) {
      const channel = await inbox.addChannel({ kind })
      const ana = author('ana', { display_name: `Ana ${kind}` })
      await inbox.deliver(channel, [message('m-1', '09:00:00', { thread_key, author: ana })], at('09:00:01'))
    }
  }
  const contactsOf = async (channels: string) =>
    new Set(
      await inbox.run(async trx =>
        (
          await trx
            .selectFrom('messages as m')
            .innerJoin('channels as c', 'c.id', 'm.channel_id')
            .select('m.contact_id')
            .where('c.kind', '=', channels as 'generic')
            .execute()
        ).map(row => row.contact_id),
      ),
    ).size
  t.equal(await contactsOf('generic'), 2)
  t.equal(await contactsOf('bluesky'), 1)
})

t.test('a person is called as their network called them last, also when that reached us first', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  const name = () => inbox.run(trx => trx.selectFrom('contacts').select('name').executeTakeFirstOrThrow())
  const called = (id: string, time: string, display_name: string | null, handle: string | null = null) =>
    inbox.deliver(channel, [message(id, time, { author: author('ana', { display_name, handle }) })], at('10:00:00'))
  await called('m-2', '09:30:00', 'Ana Silva')
  t.equal((await name()).name, 'Ana Silva')
  await called('m-1', '09:00:00', 'Ana')
  t.equal((await name()).name, 'Ana Silva', 'an older name is no news')
  await called('m-3', '09:40:00', 'Ana Souza')
  t.equal((await name()).name, 'Ana Souza')
  await called('m-4', '09:50:00', null)
  t.equal((await name()).name, 'Ana Souza', 'an event that names nobody takes no name away')
})

t.test('a stamp from the future becomes the time of receipt', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '23:00:00')], at('09:00:00'))
  has(t, await inbox.only('messages'), { occurred_at: at('09:00:00'), received_at: at('09:00:00') })
  has(t, await inbox.only('waits'), { opened_at: at('09:00:00'), network_lag_ms: 0 })
  has(t, await inbox.only('conversations'), { waiting_since: at('09:00:00'), last_message_at: at('09:00:00') })
})

t.test('a message that came long before we were connected waits since we are, and its lag is known', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '07:00:00')], at('08:30:00'))
  has(t, await inbox.only('waits'), { opened_at: CONNECTED, network_lag_ms: 5_400_000, ingest_lag_ms: 0 })
  has(t, await inbox.only('messages'), { occurred_at: at('07:00:00') })
})

t.test('conversation numbers rise without gaps within a workspace, also when channels are drained at once', async t => {
  const inbox = await openInbox()
  const channels = await Promise.all([1, 2, 3, 4].map(() => inbox.addChannel()))
  await Promise.all(
    channels.map(channel =>
      inbox.deliver(
        channel,
        inArow.slice(0, 5).map(index => message(`m-${index}`, '09:00:00', { thread_key: `t-${index}` })),
        at('09:01:00'),
      ),
    ),
  )
  await inbox.deliver(channels[0]!, [message('m-9', '09:05:00', { thread_key: 't-9' })], at('09:06:00'))
  const numbers = (await inbox.everything('conversations')).map(row => row.number).sort((a, b) => a - b)
  t.same(
    numbers,
    Array.from({ length: 21 }, (_, index) => index + 1),
  )
})

t.test('ids of any length and content find their place, each its own', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  const ids = ['x'.repeat(255), 'x'.repeat(256), 'x'.repeat(5000), 'NUL \u0000', 'half \ud83d', '']
  const events = ids.map((id, index) =>
    message(`${id}m`, '09:00:00', {
      thread_key: `${id}t`,
      author: author(`${id}a`, { handle: null }),
      text: `${index}`,
    }),
  )
  await inbox.deliver(channel, events, at('09:00:01'))
  await inbox.deliver(channel, events, at('09:00:02'))
  t.equal((await inbox.everything('messages')).length, ids.length)
  t.equal((await inbox.everything('conversations')).length, ids.length)
  t.equal((await inbox.everything('contacts')).length, ids.length)
})

t.test('the ledger takes any event once, whatever its key', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  const keys = ['a', 'a', 'b'.repeat(300), 'NUL \u0000', randomUUID()]
  const accept = () =>
    inbox.run(trx =>
      acceptInbound(
        trx,
        ledgerEntries(
          channel.id,
          keys.map(dedup_key => ({ dedup_key, thread_key: null, payload: { text: '\u0000 \ud83d' } })),
          'webhook',
          at('09:00:00'),
        ),
      ),
    )
  t.same(await accept(), { accepted: 4, duplicates: 1 })
  t.same(await accept(), { accepted: 0, duplicates: 5 })
})
