import { capabilities, has } from '@parley/testing'
import t from 'tap'
import { at, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)

async function asked(fields = {}) {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00', fields)], at('09:00:01'))
  return { inbox, channel, conversation: await inbox.only('conversations'), question: await inbox.only('messages') }
}

t.test('of fifty agents who answer at once and have seen the same, one is let through', async t => {
  const { inbox, conversation, question } = await asked()
  const answers = await Promise.all(
    Array.from({ length: 50 }, () =>
      inbox.reply(conversation.id, at('09:05:00'), { seen_up_to: question.id }).catch(error => error),
    ),
  )
  const stored = answers.filter(answer => answer.state === 'queued')
  t.equal(stored.length, 1)
  const refusals = answers.filter(answer => answer !== stored[0])
  t.same(new Set(refusals.map(refusal => refusal.code)), new Set(['newer_messages']))
  for (const { details } of refusals) has(t, details, { messages: [{ id: stored[0].id, direction: 'outbound' }] })
  const next = await inbox.reply(conversation.id, at('09:05:00'), { seen_up_to: stored[0].id })
  t.ok(next.occurred_at > stored[0].occurred_at, 'who has seen it comes after it, in the same millisecond too')
})

t.test('an answer is never wider than what it answers', async t => {
  const wide = capabilities({ visibilities: ['public', 'unlisted', 'private'] })
  for (const [theirs, asks, becomes] of [
    ['public', undefined, 'public'],
    ['public', 'private', 'private'],
    ['unlisted', undefined, 'unlisted'],
    ['unlisted', 'public', null],
    ['followers', undefined, 'private'],
    ['private', undefined, 'private'],
    ['private', 'unlisted', null],
  ] as const) {
    const { inbox, conversation } = await asked({ visibility: theirs })
    const reply = inbox.reply(conversation.id, at('09:05:00'), { visibility: asks }, { capabilities: wide })
    if (becomes) t.equal((await reply).visibility, becomes, `${theirs} asks ${asks}`)
    else await t.rejects(reply, { code: 'reply_refused', message: new RegExp(theirs) }, `${theirs} asks ${asks}`)
  }
  const { inbox, conversation } = await asked({ visibility: 'private' })
  const open = inbox.reply(
    conversation.id,
    at('09:05:00'),
    {},
    { capabilities: capabilities({ visibilities: ['public'] }) },
  )
  await t.rejects(open, { code: 'reply_refused', message: /public/ }, 'a network that is public only has no answer')
})

t.test('a reply that would leave after the window of its network is refused with the deadline', async t => {
  const hour = { capabilities: capabilities({ reply_window_seconds: 3600 }) }
  const { inbox, conversation } = await asked()
  t.equal((await inbox.reply(conversation.id, at('09:59:00'), {}, hour)).state, 'queued')
  const refusal = { code: 'reply_refused', details: { reply_deadline: at('10:00:00').toISOString() } }
  await t.rejects(inbox.reply(conversation.id, at('10:00:00'), {}, hour), refusal)
  await t.rejects(inbox.reply(conversation.id, at('09:59:00'), { hold_seconds: 60 }, hour), refusal, 'held until then')
})

t.test('a long reply goes out in parts on request, each answering the one before', async t => {
  const limits = { text: { counting: 'graphemes' as const, max_characters: 12, max_bytes: 100, link_characters: null } }
  const short = { capabilities: capabilities(limits) }
  const { inbox, conversation, question } = await asked()
  const body = 'It left today. It comes tomorrow. Bye.'
  const whole = inbox.reply(conversation.id, at('09:05:00'), { body }, short)
  await t.rejects(whole, { code: 'reply_refused', message: /12 characters.*split/ })
  const first = await inbox.reply(conversation.id, at('09:05:00'), { body, split: true, resolve_after: true }, short)
  const rows = (await inbox.everything('messages')).filter(row => row.direction === 'outbound')
  const parts = rows.sort((a, b) => a.part_number! - b.part_number!)
  t.equal(parts.map(part => part.body).join(' '), body)
  t.same(
    parts.map(part => part.part_number),
    parts.map((_, index) => index + 1),
  )
  t.same(
    parts.map(part => part.in_reply_to),
    [question.id, ...parts.slice(0, -1).map(part => part.id)],
  )
  t.same(new Set(parts.map(part => part.part_of)), new Set([first.id]))
  t.same(
    parts.filter(part => part.resolve_after),
    parts.slice(-1),
    'the last one resolves',
  )
  await t.rejects(inbox.reply(conversation.id, at('09:06:00'), { body: 'x'.repeat(12 * 21), split: true }, short), {
    code: 'reply_refused',
    message: /20 posts/,
  })
})

t.test('what goes out with a reply counts with it, in each of its parts', async t => {
  const text = { counting: 'graphemes' as const, max_characters: 12, max_bytes: 100, link_characters: null }
  const named = { capabilities: capabilities({ text }), countedText: (written: string) => `@ana ${written}` }
  const { inbox, conversation } = await asked()
  t.equal((await inbox.reply(conversation.id, at('09:05:00'), { body: 'It left' }, named)).state, 'queued')
  const long = { body: 'It left now.' }
  const refusal = { code: 'reply_refused', message: /12 characters; this has 17/ }
  await t.rejects(inbox.reply(conversation.id, at('09:06:00'), long, named), refusal)
  const first = await inbox.reply(conversation.id, at('09:07:00'), { ...long, split: true }, named)
  const parts = (await inbox.everything('messages')).filter(row => row.part_of === first.id)
  t.same(parts.map(({ body }) => body).sort(), ['It left', 'now.'])
})
