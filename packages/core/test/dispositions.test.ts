import assert from 'node:assert/strict'
import type { ConnectorBounce } from '@parley/contracts'
import { dismissMessage, finishAction, queueAction, takeActionTask, undismissMessage } from '@parley/core'
import type { Message } from '@parley/db'
import { ACTION_VERBS, type ActionVerb, awaitsAnswer, DISMISSALS, dispositionOf } from '@parley/domain'
import { capabilities, has } from '@parley/testing'
import fc from 'fast-check'
import t from 'tap'
import { at, CONNECTED, deletion, type Inbox, message, openInboxes, setStatus } from './inbox.ts'

const { openInbox } = await openInboxes(t)
const RUNS = 40

type Talk = Awaited<ReturnType<typeof talk>>

/** Ana and Ben in one thread, and a clock that goes on by a second with everything that is done. */
async function talk() {
  const inbox = await openInbox()
  await inbox.promise()
  const channel = await inbox.addChannel()
  let seconds = 3600
  const tick = () => {
    seconds += 1
    return new Date(CONNECTED.getTime() + seconds * 1000)
  }
  let said = 0
  const say = async (author: string, fields: Parameters<typeof message>[2] = {}) => {
    const now = tick()
    said += 1
    const written = { ...message(`m-${said}`, '09:00:00', { author, ...fields }), occurred_at: now.toISOString() }
    await inbox.deliver(channel, [{ ...written, version_at: now.toISOString() }], now)
  }
  return { inbox, channel, tick, say }
}

const rows = (inbox: Inbox) => inbox.everything('messages')
const inbound = async (inbox: Inbox) => (await rows(inbox)).filter(row => row.direction === 'inbound')
const find = async (inbox: Inbox, external_id: string) =>
  (await rows(inbox)).find(row => row.external_id === external_id)!
const become = async (inbox: Inbox) =>
  Object.fromEntries((await inbound(inbox)).map(row => [row.external_id, row.disposition]))

async function act({ inbox, tick }: Talk, verb: ActionVerb, { id: message_id, conversation_id }: Message) {
  const draft = { conversation_id, message_id, verb, actor: inbox.agent }
  const able = () => capabilities({ actions: [...ACTION_VERBS] })
  const action = await inbox.run(trx => queueAction(trx, draft, able, tick()))
  const task = await inbox.run(trx => takeActionTask(trx, action.id, tick()))
  if (task.task !== 'act') throw new Error(task.reason)
  const accepted_at = tick()
  await inbox.run(trx => finishAction(trx, task.attempt, { outcome: 'sent', accepted_at }, accepted_at, 0))
}

const bounceOf = (reply: Message, now: Date): ConnectorBounce => ({
  type: 'bounce',
  external_id: null,
  send_token: reply.id,
  recipient: 'ana@example.com',
  reason: 'No such mailbox.',
  permanent: true,
  occurred_at: now.toISOString(),
})

t.test('a message is answered once the network has taken a person’s answer to its writer, and by no other', async t => {
  const { inbox, tick, say } = await talk()
  await say('ana')
  await say('ben')
  await say('ana')
  const [first] = await inbound(inbox)
  const queued = await inbox.reply(first!.conversation_id, tick(), { in_reply_to: first!.id })
  t.same(await become(inbox), { 'm-1': 'unhandled', 'm-2': 'unhandled', 'm-3': 'unhandled' })
  await say('ana')
  const accepted_at = tick()
  await inbox.send(queued, accepted_at)
  t.same(
    await become(inbox),
    { 'm-1': 'answered', 'm-2': 'unhandled', 'm-3': 'answered', 'm-4': 'unhandled' },
    'neither who did not ask it, nor what its author cannot have read',
  )
  has(t, await find(inbox, 'm-3'), { answered_by_id: queued.id, answered_at: accepted_at })
})

t.test('a program’s answer answers nobody', async t => {
  const { inbox, tick, say } = await talk()
  await say('ana')
  const { id, conversation_id } = await find(inbox, 'm-1')
  const author = { type: 'api_key' as const, id: inbox.agent.id }
  await inbox.send(await inbox.reply(conversation_id, tick(), { in_reply_to: id, author }), tick())
  t.same(await become(inbox), { 'm-1': 'unhandled' })
})

t.test(
  'a like acknowledges and lets the customer wait; what is hidden waits for nothing until it is shown again',
  async t => {
    const all = await talk()
    const { inbox, say } = all
    await say('ana')
    const asked = await find(inbox, 'm-1')
    await act(all, 'like', asked)
    t.same(await become(inbox), { 'm-1': 'acknowledged' })
    has(t, await inbox.only('waits'), { closed_at: null })
    await act(all, 'hide', asked)
    t.same(await become(inbox), { 'm-1': 'hidden' })
    has(t, await inbox.only('waits'), { cancelled_reason: 'hidden' })
    has(t, await inbox.only('sla_clocks'), { state: 'cancelled', cancelled_reason: 'hidden' })
    has(t, await inbox.only('conversations'), { waiting_since: null, next_due_at: null })
    await act(all, 'unhide', asked)
    t.same(await become(inbox), { 'm-1': 'acknowledged' })
    has(t, await inbox.only('conversations'), { waiting_since: asked.occurred_at })
  },
)

t.test('an answer to a customer does not answer what was set aside before, unless it names it', async t => {
  const all = await talk()
  const { inbox, tick, say } = all
  await say('ana')
  await say('ana')
  const [insult, question] = await inbound(inbox)
  await act(all, 'hide', insult!)
  await inbox.send(await inbox.reply(question!.conversation_id, tick(), { in_reply_to: question!.id }), tick())
  t.same(await become(inbox), { 'm-1': 'hidden', 'm-2': 'answered' })
  await act(all, 'unhide', insult!)
  t.same(await become(inbox), { 'm-1': 'answered', 'm-2': 'answered' }, 'it could be read when the answer was written')
})

t.test('a message that is dismissed as spam is spam, also among messages of a customer who is answered', async t => {
  const { inbox, tick, say } = await talk()
  await say('ana')
  await say('ben')
  const [spam, question] = await inbound(inbox)
  const ids = { conversation_id: spam!.conversation_id, message_id: spam!.id }
  await inbox.run(trx => dismissMessage(trx, ids, { reason: 'Scam', as: 'spam' }, inbox.agent, tick()))
  await inbox.send(await inbox.reply(question!.conversation_id, tick(), { in_reply_to: question!.id }), tick())
  t.same(await become(inbox), { 'm-1': 'spam', 'm-2': 'answered' })
  has(t, (await inbox.everything('waits'))[0]!, { cancelled_reason: 'spam' })
  await inbox.run(trx => undismissMessage(trx, ids, inbox.agent, tick()))
  t.same(await become(inbox), { 'm-1': 'unhandled', 'm-2': 'answered' })
})

t.test('an answer of the network’s app that reaches us behind a later one ends the wait at its own time', async t => {
  const inbox = await openInbox()
  await inbox.promise()
  const channel = await inbox.addChannel()
  const ours = { from_us: true, parent_external_id: 'm-1', author: 'shop' }
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  await inbox.deliver(channel, [message('n-2', '10:30:00', ours)], at('10:30:01'))
  has(t, await inbox.only('sla_clocks'), { fulfilled_at: at('10:30:00'), breached_at: at('10:00:00') })
  await inbox.deliver(channel, [message('n-3', '10:40:00', ours)], at('10:40:01'))
  await inbox.deliver(channel, [message('n-1', '09:30:00', ours)], at('10:50:00'))
  const [first] = (await rows(inbox)).filter(row => row.external_id === 'n-1')
  has(t, await find(inbox, 'm-1'), { answered_by_id: first!.id, answered_at: at('09:30:00') })
  has(t, await inbox.only('waits'), { closed_at: at('09:30:00'), closed_by_message_id: first!.id })
  has(t, await inbox.only('sla_clocks'), { fulfilled_at: at('09:30:00'), breached_at: null, state: 'fulfilled' })
})

t.test('what nobody has to answer needs no reply from the beginning, and the log says so', async t => {
  const { inbox, channel, tick, say } = await talk()
  await say('ana', { automatic: true })
  const old = message('h-1', '08:30:00')
  await inbox.deliver(channel, [old], tick(), 'backfill')
  await inbox.deliver(channel, [deletion('d-1', '08:40:00')], tick())
  await inbox.deliver(channel, [message('d-1', '08:35:00')], tick())
  const none = 'no_reply_needed'
  t.same(await become(inbox), { 'm-1': none, 'h-1': none, 'd-1': none })
  const received = (await events(inbox)).filter(({ type }) => type === 'message.received')
  t.same(
    received.map(({ data }) => data.disposition),
    [none, none, none],
  )
  await inbox.deliver(channel, [old], tick())
  t.same(await become(inbox), { 'm-1': none, 'h-1': 'unhandled', 'd-1': none }, 'history that comes by itself')
  await foldMatches(inbox)
})

type Told = {
  type: string
  data: { message_id: string; disposition?: string }
  previous: { disposition: string } | null
}

const events = (inbox: Inbox) =>
  inbox.run(async trx => {
    const found = await trx.selectFrom('events').select(['type', 'data', 'previous']).orderBy('seq').execute()
    return found as unknown as Told[]
  })

/** What became of each message, told by the log alone, is what stands on the messages. */
async function foldMatches(inbox: Inbox) {
  const told = new Map<string, string | undefined>()
  for (const { type, data, previous } of await events(inbox)) {
    if (type === 'message.received') told.set(data.message_id, data.disposition ?? 'unhandled')
    if (type !== 'message.disposition_changed') continue
    assert.equal(previous!.disposition, told.get(data.message_id), 'each change begins where the last one ended')
    told.set(data.message_id, data.disposition)
  }
  assert.deepEqual(
    Object.fromEntries(told),
    Object.fromEntries((await inbound(inbox)).map(row => [row.id, row.disposition])),
  )
}

const which = fc.nat(9)
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('say' as const), author: fc.constantFrom('ana', 'ben') }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('reply' as const), which }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('accept' as const), which, bounces: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('native' as const), which }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('dismiss' as const), which, as: fc.constantFrom(...DISMISSALS) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('undismiss' as const), which }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('act' as const),
      which,
      verb: fc.constantFrom('like' as const, 'unlike' as const, 'hide' as const, 'unhide' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete' as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('spam' as const), is: fc.boolean() }) },
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

async function take(all: Talk, one: Step): Promise<void> {
  const { inbox, channel, tick, say } = all
  if (one.do === 'say') return say(one.author)
  if (one.do === 'spam') return setStatus(inbox, one.is ? 'spam' : 'open', tick())
  const replies = (await rows(inbox)).filter(row => row.direction === 'outbound' && row.author_type === 'user')
  if (one.do === 'accept') {
    const reply = replies[one.which % replies.length]
    if (reply?.state === 'queued') await inbox.send(reply, tick())
    else if (reply?.state === 'sent' && one.bounces) await inbox.deliver(channel, [bounceOf(reply, tick())], tick())
    return
  }
  const messages = await inbound(inbox)
  const about = messages[one.which % messages.length]
  if (!about) return
  const { id, conversation_id } = about
  const ids = { conversation_id, message_id: id }
  switch (one.do) {
    case 'reply':
      await inbox.reply(conversation_id, tick(), { in_reply_to: id })
      return
    case 'native':
      return say('shop', { from_us: true, parent_external_id: about.external_id })
    case 'dismiss':
      await inbox.run(trx => dismissMessage(trx, ids, { reason: 'Thanks', as: one.as }, inbox.agent, tick()))
      return
    case 'undismiss':
      await inbox.run(trx => undismissMessage(trx, ids, inbox.agent, tick()))
      return
    case 'act':
      return act(all, one.verb, about)
    case 'delete': {
      const now = tick()
      return inbox.deliver(
        channel,
        [{ ...deletion(about.external_id!, '09:00:00'), version_at: now.toISOString() }],
        now,
      )
    }
    default:
      one satisfies never
  }
}

t.test(
  'whatever is done in whatever order, who waits are those whose messages await an answer, since the oldest',
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 18 }), async steps => {
        const all = await talk()
        const { inbox } = all
        await all.say('ana')
        for (const one of steps)
          await take(all, one).catch((error: { code?: string }) => {
            if (!['conflict', 'action_refused', 'reply_refused'].includes(error.code ?? '')) throw error
          })
        const messages = await inbound(inbox)
        const since = new Map<string, Date>()
        for (const row of messages) {
          assert.equal(row.disposition, dispositionOf(row), 'the column says what the rule says')
          if (awaitsAnswer(row) && !since.has(row.contact_id!)) since.set(row.contact_id!, row.occurred_at)
        }
        const open = (await inbox.everything('waits')).filter(wait => !wait.closed_at)
        assert.deepEqual(new Map(open.map(wait => [wait.contact_id, wait.opened_at])), since)
        const { waiting_since } = await inbox.only('conversations')
        assert.deepEqual(waiting_since, [...since.values()].sort((a, b) => +a - +b)[0] ?? null)
        const said = new Map((await rows(inbox)).map(row => [row.id, row]))
        for (const { answered_by_id, contact_id } of messages)
          if (answered_by_id)
            assert.deepEqual(
              { state: said.get(answered_by_id)?.state, to: said.get(answered_by_id)?.contact_id },
              { state: 'sent', to: contact_id },
            )
        await foldMatches(inbox)
      }),
      { numRuns: RUNS },
    )
  },
)
