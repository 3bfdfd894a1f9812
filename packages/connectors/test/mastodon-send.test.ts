import { once } from 'node:events'
import { createServer } from 'node:net'
import { type Test, test } from 'tap'
import type { NetworkMessage, OutgoingAttachment, SendOutcome } from '../src/connector.ts'
import { SendRefused } from '../src/errors.ts'
import { mastodonConnector } from '../src/mastodon/index.ts'
import { connect, contextAt, messageIn, openBrand, pollAll, replyTo } from './mastodon.ts'

const POST = 'POST /api/v1/statuses'

/** A brand to whom a customer has written. */
async function openConversation(t: Test, text = '@brand hello', draft: Record<string, unknown> = {}) {
  const opened = await openBrand(t)
  await opened.network.addAccount('ben')
  const post = await opened.network.post('ana@remote.example', { text, ...draft })
  const { events } = await pollAll(opened.channel, null)
  const message = messageIn(opened.channel, events)
  const prepare = (fields: Parameters<typeof replyTo>[1] = {}) =>
    mastodonConnector.prepare!(opened.channel, replyTo(message, fields), opened.context)
  const send = (prepared: Record<string, unknown>) =>
    mastodonConnector.send!(opened.channel, prepared, contextAt()) as Promise<SendOutcome>
  const findSent = (prepared: Record<string, unknown>) =>
    mastodonConnector.findSent!(opened.channel, prepared, contextAt())
  const ourPosts = async () => (await opened.network.statuses()).filter(({ account }) => account === 'brand')
  return { ...opened, post, message, prepare, send, findSent, ourPosts }
}

test('a reply mentions its customer and whom they mention, not ourselves, and nobody twice', async t => {
  const { post, prepare, send, ourPosts } = await openConversation(t, '@brand and @ben, hello')
  const sent = await send(await prepare({ text: 'Hi @Ben, it is on its way.' }))
  t.match(sent, { outcome: 'sent' })
  t.match(await ourPosts(), [
    {
      text: '@ana@remote.example Hi @Ben, it is on its way.',
      in_reply_to_id: post,
      visibility: 'public',
      language: null,
      mentions: ['ana@remote.example'],
    },
  ])
})

test('a reply is never seen by more people than what it answers, and stands behind the same warning', async t => {
  const { prepare, send, ourPosts } = await openConversation(t, '@brand psst', {
    visibility: 'private',
    spoiler_text: 'Food',
  })
  await t.rejects(prepare({ visibility: 'public' }), SendRefused)
  await t.rejects(prepare({ visibility: 'unlisted' }), SendRefused)
  await send(await prepare({ visibility: 'followers' }))
  await send(await prepare({ visibility: 'private', message_id: '0192aaaa-0000-7000-8000-000000000002' }))
  t.match(await ourPosts(), [
    { visibility: 'private', spoiler_text: 'Food' },
    { visibility: 'direct', spoiler_text: 'Food' },
  ])
})

test('what cannot work is refused before anything is sent', async t => {
  const { network, post, message, channel, prepare, context } = await openConversation(t)
  await t.rejects(prepare({ text: '  ' }), SendRefused)
  await t.rejects(prepare({ text: 'x'.repeat(496) }), SendRefused, 'the mention counts')
  await t.resolves(prepare({ text: `${'x'.repeat(460)} https://remote.example/${'y'.repeat(300)}` }))
  const nothing = { ...replyTo(message), in_reply_to: null }
  await t.rejects(mastodonConnector.prepare!(channel, nothing, context), SendRefused)
  await network.remove(post)
  await t.rejects(prepare(), SendRefused, 'the post is gone')
  t.notOk(network.record().some(entry => entry.kind === 'accepted'))
})

test('the same reply sent again is the same post', async t => {
  const { prepare, send, findSent, ourPosts } = await openConversation(t)
  const prepared = await prepare()
  const first = await send(prepared)
  t.same(first.outcome, 'sent')
  t.match(await send(prepared), { outcome: 'sent', external_id: (first as { external_id: string }).external_id })
  t.equal((await ourPosts()).length, 1)
  t.match(await findSent(prepared), { outcome: 'sent', external_id: (await ourPosts())[0]!.id })
})

test('an outcome is certain only where the server certainly did not take the reply', async t => {
  const { network, prepare, send } = await openConversation(t)
  const prepared = await prepare()
  const outcomes = [
    [{ kind: 'limited', reset_ms: 60_000 }, 'retry'],
    [{ kind: 'refused', status: 503, error: 'Come back later', retry_after: '30' }, 'retry'],
    [{ kind: 'refused', status: 503, error: 'There was a temporary problem' }, 'unknown'],
    [{ kind: 'refused', status: 500, error: 'oops' }, 'unknown'],
    [{ kind: 'refused', status: 404, error: 'does not appear to exist' }, 'rejected'],
    [{ kind: 'refused', status: 403, error: 'no permission to reply' }, 'rejected'],
    [{ kind: 'refused', status: 422, error: 'too long' }, 'rejected'],
    [{ kind: 'page', status: 502 }, 'unknown'],
    [{ kind: 'page', status: 403 }, 'unknown'],
    [{ kind: 'cut' }, 'unknown'],
  ] as const
  for (const [fault, outcome] of outcomes) {
    await network.misbehave([{ call: POST, fault, times: 1 }])
    t.equal((await send(prepared)).outcome, outcome, JSON.stringify(fault))
  }
  const revoked = { kind: 'refused', status: 401, error: 'The access token was revoked' } as const
  await network.misbehave([{ call: POST, fault: revoked, times: 1 }])
  await t.rejects(send(prepared), { code: 'channel_auth_failed' }, 'a refused token, with which nothing was posted')
  t.notOk(network.record().some(entry => entry.kind === 'accepted'))
})

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

test('a server that cannot be reached has taken nothing', async t => {
  const { channel, prepare } = await openConversation(t)
  const prepared = await prepare()
  const away = { ...channel, settings: { server_url: `http://127.0.0.1:${await closedPort()}` } }
  t.match(await mastodonConnector.send!(away, prepared, contextAt()), { outcome: 'retry' })
})

test('a reply whose answer was lost is found, by its text and what it answers', async t => {
  const { network, post, prepare, send, findSent } = await openConversation(t)
  const text = 'Hello @ben & <all>!\n\nSee https://shop.example/a/very/long/address/of/a/kettle?and=more'
  const prepared = await prepare({ text })
  t.same(await findSent(prepared), { outcome: 'not_found' })
  await network.post('brand', { text: 'Something else', in_reply_to_id: post })
  await network.post('brand', { text: `@ana@remote.example ${text}` })
  t.same(await findSent(prepared), { outcome: 'not_found' }, 'others of our posts are not taken for it')
  await network.misbehave([{ call: POST, fault: { kind: 'answer-lost' }, times: 1 }])
  t.equal((await send(prepared)).outcome, 'unknown')
  const found = await findSent(prepared)
  const accepted = network.record().flatMap(entry => (entry.kind === 'accepted' ? [entry] : []))
  t.match(found, { outcome: 'sent', external_id: accepted[0]!.id })
  await network.misbehave([
    { call: 'GET /api/v1/statuses/:id/source', fault: { kind: 'refused', status: 404, error: 'absent' } },
  ])
  t.match(await findSent(prepared), { outcome: 'sent', external_id: accepted[0]!.id }, 'also by what is shown')
  await network.misbehave([{ call: 'GET /api/v1/accounts/:id/statuses', fault: { kind: 'page', status: 500 } }])
  t.match(await findSent(prepared), { outcome: 'unknown' })
})

test('a file is uploaded with its description, waited for and attached', async t => {
  const { network, prepare, send, ourPosts } = await openConversation(t)
  const attachment = (fields: Partial<OutgoingAttachment> = {}): OutgoingAttachment => ({
    id: 'a1',
    media_type: 'image/png',
    filename: 'kettle.png',
    alt_text: 'A kettle',
    byte_size: 20,
    read: async () => Buffer.from('not really a picture'),
    ...fields,
  })
  const prepared = await prepare({ text: '', attachments: [attachment()] })
  t.match(await send(prepared), { outcome: 'sent' })
  t.match(await ourPosts(), [{ text: '@ana@remote.example', media: [{ description: 'A kettle' }] }])
  t.match(
    network.record().filter(entry => entry.kind === 'uploaded'),
    [{ bytes: 20, mime_type: 'image/png' }],
  )
  await t.rejects(prepare({ attachments: [attachment({ media_type: 'text/plain' })] }), SendRefused)
  await t.rejects(prepare({ attachments: Array.from({ length: 5 }, () => attachment()) }), SendRefused)
})

test('likes, edits and deletions may be done twice, and change our own posts alone', async t => {
  const { network, channel, context, message, prepare, send, ourPosts } = await openConversation(t)
  const sent = await send(await prepare())
  if (sent.outcome !== 'sent') throw new Error(sent.outcome)
  const ours: NetworkMessage = {
    external_id: sent.external_id,
    reply_context: sent.reply_context ?? null,
    visibility: 'public',
    from_us: true,
  }
  const act = (verb: 'like' | 'unlike' | 'hide' | 'edit' | 'delete', target = ours, text: string | null = null) =>
    mastodonConnector.act!(channel, { action_id: '1', verb, target, text }, context)
  const likes = async () => (await network.statuses()).find(({ id }) => id === message.external_id)?.favourites
  for (const [verb, count] of [
    ['like', 1],
    ['like', 1],
    ['unlike', 0],
    ['unlike', 0],
  ] as const) {
    t.match(await act(verb, message), { outcome: 'sent' })
    t.equal(await likes(), count)
  }
  for (let again = 0; again < 2; again += 1) {
    t.match(await act('edit', ours, 'It left today.'), { outcome: 'sent' })
    t.match(await ourPosts(), [{ text: '@ana@remote.example It left today.' }], 'the mention stays')
  }
  await t.rejects(act('delete', message), SendRefused)
  await t.rejects(act('hide', message), SendRefused)
  for (let again = 0; again < 2; again += 1) t.match(await act('delete'), { outcome: 'sent' })
  t.match(await ourPosts(), [{ deleted: true }])
  t.match(await act('edit', ours, 'too late'), { outcome: 'rejected' })
})

test('a reply prepared for one account is never sent by another', async t => {
  const { network, prepare } = await openConversation(t)
  const prepared = await prepare()
  const other = await network.addAccount('shop')
  t.match(await mastodonConnector.send!(await connect(network.url, other.token), prepared, contextAt()), {
    outcome: 'rejected',
  })
})

test('an answer that leaves nothing of its limit says until when nothing more is written, or asked', async t => {
  const { network, channel, prepare } = await openConversation(t)
  const prepared = await prepare()
  const reached: string[] = []
  const context = contextAt(() => new Date(), {
    limitReached: async (calls, until) => {
      t.ok(until > new Date())
      reached.push(calls)
    },
  })
  const calls = () => network.record().filter(entry => entry.kind === 'call').length
  // The next call is the last one of its window.
  await network.configure({ rate_limit: calls() + 1 })
  t.match(await mastodonConnector.send!(channel, prepared, context), { outcome: 'sent' })
  t.same(reached, ['writes'])
  await network.configure({ rate_limit: calls() + 1 })
  t.match(await mastodonConnector.findSent!(channel, prepared, context), { outcome: 'sent' })
  t.same(reached, ['writes', 'all'])
})
