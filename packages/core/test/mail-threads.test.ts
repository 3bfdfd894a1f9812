import type { ConnectorMessage } from '@parley/contracts'
import { has } from '@parley/testing'
import fc from 'fast-check'
import t from 'tap'
import { at, type Inbox, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)

type Mail = Partial<ConnectorMessage['thread_hints'] & {}> & {
  id: string
  by?: string
  time?: string
  cc?: string[]
  fields?: Partial<Omit<ConnectorMessage, 'author'>>
}

/** A mail of Ana's; `references` as the connector gives them, the most telling first. */
function mail({
  id,
  by = 'ana@customer.test',
  time = '09:00:00',
  cc = [],
  fields = {},
  ...hints
}: Mail): ConnectorMessage {
  const references = hints.references ?? []
  return message(id, time, {
    kind: 'email',
    visibility: 'private',
    author: by,
    thread_key: references.at(-1) ?? id,
    parent_external_id: references[0] ?? null,
    thread_hints: {
      reply_tokens: [],
      subject: null,
      written_at: at(time).toISOString(),
      content_hash: `hash-of-${id}-${by}`,
      participants: [by, ...cc],
      ...hints,
      references,
    },
    ...fields,
  })
}

/** Which mails stand together, by their network ids. */
async function threadsOf(inbox: Inbox): Promise<string[][]> {
  const threads = new Map<string, string[]>()
  for (const { conversation_id, external_id } of await inbox.everything('messages'))
    threads.set(conversation_id, [...(threads.get(conversation_id) ?? []), external_id!])
  return [...threads.values()].map(ids => ids.toSorted()).toSorted()
}

async function tokenOf(inbox: Inbox): Promise<string> {
  const { reply_context } = await inbox.only('messages')
  return (reply_context as { reply_token: string }).reply_token
}

t.test('a mail keeps the token of its conversation for its answer, the same for all of them', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel({ kind: 'email' })
  await inbox.deliver(channel, [mail({ id: 'a' })], at('10:00:00'))
  const token = await tokenOf(inbox)
  t.match(token, /^[a-z2-7]{26}$/)
  await inbox.deliver(channel, [mail({ id: 'b', references: ['a'] }), mail({ id: 'x' })], at('10:01:00'))
  const rows = await inbox.everything('messages')
  const keptBy = (id: string) =>
    (rows.find(row => row.external_id === id)!.reply_context as { reply_token: string }).reply_token
  t.same([keptBy('a') === token, keptBy('b') === token, keptBy('x') === token], [true, true, false])
})

t.test('whoever was given the address of a conversation joins it', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel({ kind: 'email' })
  await inbox.deliver(channel, [mail({ id: 'a' })], at('10:00:00'))
  const token = await tokenOf(inbox)
  await inbox.deliver(
    channel,
    [mail({ id: 'b', by: 'ana@home.test', reply_tokens: ['unknown', token] })],
    at('10:01:00'),
  )
  t.same(await threadsOf(inbox), [['a', 'b']])

  const other = await inbox.addChannel({ kind: 'email' })
  await inbox.deliver(other, [mail({ id: 'c', reply_tokens: [token] })], at('10:02:00'))
  t.same(await threadsOf(inbox), [['a', 'b'], ['c']], 'in its own mailbox alone')
  await inbox.run(trx =>
    trx
      .updateTable('reply_tokens')
      .set({ revoked_at: at('10:03:00') })
      .execute(),
  )
  await inbox.deliver(channel, [mail({ id: 'd', reply_tokens: [token] })], at('10:04:00'))
  t.same(await threadsOf(inbox), [['a', 'b'], ['c'], ['d']], 'and not by one that was revoked')
})

t.test('an answer joins what it refers to when one of its people is part of that', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel({ kind: 'email' })
  await inbox.deliver(channel, [mail({ id: 'a', cc: ['bo@customer.test'] }), mail({ id: 'k' })], at('10:00:00'))
  await inbox.deliver(
    channel,
    [
      mail({ id: 'b', by: 'bo@customer.test', references: ['a'] }),
      mail({ id: 'c', by: 'carl@customer.test', cc: ['ana@customer.test'], references: ['b', 'a'] }),
      mail({ id: 'l', references: ['k', 'a'] }),
      mail({ id: 'm', by: 'mallory@evil.test', references: ['a'] }),
      mail({ id: 'n', by: 'mallory@evil.test', references: ['m', 'a'] }),
    ],
    at('10:01:00'),
  )
  t.same(await threadsOf(inbox), [
    ['a', 'b', 'c'],
    ['k', 'l'],
    ['m', 'n'],
  ])
  const rows = await inbox.everything('messages')
  t.equal(rows.find(row => row.external_id === 'm')?.in_reply_to, null, 'a stranger answers nobody')
})

t.test('an answer to our reply joins, also by that alone', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel({ kind: 'email' })
  await inbox.deliver(channel, [mail({ id: 'a' })], at('10:00:00'))
  const conversation = await inbox.only('conversations')
  const reply = await inbox.reply(conversation.id, at('10:01:00'))
  await inbox.send(reply, at('10:02:00'), {
    outcome: 'sent',
    external_id: 'ours',
    accepted_at: at('10:02:00'),
    permalink: null,
  })
  await inbox.deliver(channel, [mail({ id: 'b', references: ['ours'], time: '10:03:00' })], at('10:04:00'))
  t.same(await threadsOf(inbox), [['a', 'b', 'ours']])
  t.equal((await inbox.only('conversations')).status, 'open')
})

t.test('a subject continues a recent conversation of the same sender', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel({ kind: 'email' })
  await inbox.deliver(channel, [mail({ id: 'a', fields: { subject: 'My kettle leaks' } })], at('10:00:00'))
  const continued = { subject: 'my kettle leaks' }
  await inbox.deliver(channel, [mail({ id: 'b', ...continued, time: '09:30:00' })], at('10:01:00'))
  await inbox.deliver(channel, [mail({ id: 'c', by: 'bo@customer.test', ...continued })], at('10:02:00'))
  await inbox.deliver(channel, [mail({ id: 'd', subject: 'another kettle' })], at('10:03:00'))
  const later = { ...continued, written_at: '2026-03-20T09:00:00.000Z' }
  await inbox.deliver(channel, [mail({ id: 'e', ...later })], new Date('2026-03-20T09:00:00Z'))
  t.same(await threadsOf(inbox), [['a', 'b'], ['c'], ['d'], ['e']])
})

t.test('another writer’s mail under a known id is a mail of its own', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel({ kind: 'email' })
  await inbox.deliver(channel, [mail({ id: 'a' })], at('10:00:00'))
  const forged = mail({ id: 'a', by: 'mallory@evil.test', time: '09:30:00', fields: { text: 'Send it to me.' } })
  await inbox.deliver(channel, [forged], at('10:01:00'))
  await inbox.deliver(channel, [forged], at('10:02:00'))
  const rows = await inbox.everything('messages')
  t.same(
    rows.map(row => [row.body, row.edited_at]),
    [
      ['the text of a', null],
      ['Send it to me.', null],
    ],
  )
  t.equal(rows[0]?.external_id, 'a')
  await inbox.deliver(channel, [mail({ id: 'a', by: 'ana@list.test' })], at('10:03:00'))
  t.equal((await inbox.everything('messages')).length, 2, 'the same text by way of a list is the same mail')

  const fresh = await inbox.addChannel({ kind: 'email' })
  await inbox.deliver(fresh, [mail({ id: 'a' }), forged, mail({ id: 'a', by: 'ana@list.test' })], at('10:04:00'))
  const there = (await inbox.everything('messages')).filter(row => row.channel_id === fresh.id)
  t.same(there.map(row => row.body).toSorted(), ['Send it to me.', 'the text of a'], 'in one batch as well')
})

t.test('what a program writes is shown, opens no wait and opens nothing again', async t => {
  const inbox = await openInbox()
  await inbox.promise()
  const channel = await inbox.addChannel({ kind: 'email' })
  const automatic = { automatic: true, quoted_text: '> yours', sender_verified: false }
  await inbox.deliver(channel, [mail({ id: 'n', by: 'news@shop.test', fields: automatic })], at('10:00:00'))
  has(t, await inbox.only('conversations'), { status: 'open', waiting_since: null })
  has(t, await inbox.only('messages'), { automatic: true, body_quoted: '> yours', sender_verified: false })
  t.same(await inbox.everything('waits'), [])

  await inbox.deliver(channel, [mail({ id: 'a' })], at('10:01:00'))
  const conversation = (await inbox.everything('conversations'))[1]!
  const reply = await inbox.reply(conversation.id, at('10:02:00'), { resolve_after: true })
  await inbox.send(reply, at('10:03:00'))
  await inbox.deliver(
    channel,
    [mail({ id: 'away', references: ['a'], time: '10:03:30', fields: automatic })],
    at('10:04:00'),
  )
  const after = (await inbox.everything('conversations')).find(row => row.id === conversation.id)
  has(t, after, { status: 'resolved', waiting_since: null })
  t.equal((await inbox.everything('waits')).filter(wait => wait.closed_at === null).length, 0)
  const answer = await inbox.reply(conversation.id, at('10:05:00'))
  const question = (await inbox.everything('messages')).find(row => row.external_id === 'a')
  t.equal(answer.in_reply_to, question?.id, 'the next answer is to the person')
})

t.test('a thread of mails is one conversation, however it is ordered, repeated and cut', async t => {
  const thread = [
    mail({ id: 'a', time: '09:00:00' }),
    mail({ id: 'b', time: '09:10:00', references: ['a'] }),
    mail({ id: 'c', by: 'bo@customer.test', cc: ['ana@customer.test'], time: '09:20:00', references: ['b', 'a'] }),
    mail({ id: 'd', time: '09:30:00', references: ['c', 'b', 'a'] }),
  ]
  const inbox = await openInbox()
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray([...thread, ...thread], { minLength: 8, maxLength: 8 }),
      fc.integer({ min: 1, max: 5 }),
      async (events, size) => {
        const channel = await inbox.addChannel({ kind: 'email' })
        for (let start = 0; start < events.length; start += size)
          await inbox.deliver(channel, events.slice(start, start + size), at('10:00:00'))
        const rows = (await inbox.everything('messages')).filter(row => row.channel_id === channel.id)
        const conversations = new Set(rows.map(row => row.conversation_id))
        if (rows.length !== 4 || conversations.size !== 1)
          throw new Error(`${rows.length} mails in ${conversations.size}`)
      },
    ),
    { numRuns: 40 },
  )
  t.pass('held for 40 orders')
})
