import { buffer } from 'node:stream/consumers'
import type { ConnectorEvent } from '@parley/contracts'
import {
  addContactNote,
  beginErasure,
  correctTriage,
  dismissMessage,
  exportOf,
  requestExport,
  triageEvents,
} from '@parley/core'
import { findExport, listUsers } from '@parley/db'
import { has } from '@parley/testing'
import { lexiconModel } from '@parley/triage'
import t, { type Test } from 'tap'
import { collectBlobs } from '../src/processors/blobs.ts'
import { eraseContacts } from '../src/processors/erasures.ts'
import { exportContacts } from '../src/processors/exports.ts'
import { cleanUp } from '../src/processors/housekeeping.ts'
import { at, comment, drain, fakeConnector, openWorker } from './processing.ts'

const connector = fakeConnector({ normalise: (_channel, payload) => payload as ConnectorEvent })

async function spoken(t: Test, messages: number) {
  const worker = await openWorker(t, connector)
  const { run, workspace_id, ctx, clock } = worker
  const channel = await worker.addChannel()
  const events = Array.from({ length: messages }, (_, index) => comment(`m-${index}`))
  const ben = { external_id: 'ben', handle: 'ben', display_name: 'Ben', avatar_url: null }
  await worker.accept(channel, [
    ...events,
    { ...events[0], text: 'an older text', version_at: at('08:59:00').toISOString() },
  ])
  await worker.accept(channel, [comment('b-1', { author: ben, text: 'this is Ben' })])
  await drain(ctx, { workspace_id, channel_id: channel.id })
  const [user] = await run(listUsers)
  const actor = { type: 'user' as const, id: user!.id }
  const contact_id = await run(async trx => {
    const query = trx.selectFrom('contact_identities').select('contact_id').where('external_id', '=', 'ana')
    return (await query.executeTakeFirstOrThrow()).contact_id
  })
  await run(trx => addContactNote(trx, contact_id, 'Prefers mornings.', { ...actor, role: 'agent' }, clock.now))
  const ask = () => run(trx => requestExport(trx, contact_id, actor, clock.now))
  const now = async (id: string) => (await run(trx => findExport(trx, id)))!
  return { ...worker, contact_id, actor, ask, now }
}

t.test('an export is everything that is kept of a contact, and nothing of anybody else', async t => {
  const { ctx, ask, now, reply } = await spoken(t, 450)
  await reply()
  const { id } = await ask()
  await exportContacts(ctx)()
  const done = await now(id)
  has(t, done, { state: 'done', next_attempt_at: null })
  const text = (await buffer(await ctx.blobs.open(done.blob_key!))).toString()
  t.equal(Buffer.byteLength(text), Number(done.byte_size))
  const file = JSON.parse(text)
  t.match(file, { export_id: id, contacts: [{ name: 'ana' }], notes: [{ body: 'Prefers mornings.' }] })
  t.match(file.identities, [{ external_id: 'ana', network: /^generic:/ }])
  t.equal(file.messages.length, 451, 'all pages, and what we said')
  t.equal(new Set(file.messages.map((message: { id: string }) => message.id)).size, 451)
  const first = file.messages.find((message: { external_id: string }) => message.external_id === 'm-0')
  t.match(first, { body: 'the text of m-0', versions: [{ body: 'an older text' }] })
  t.equal(file.waits.length, 1)
  t.notMatch(text, 'this is Ben')
  t.notMatch(text, 'workspace_id')
})

t.test('what was made of what they wrote is exported with it, in words, and why it needed no answer', async t => {
  const { run, ctx, ask, now, clock, actor, ...world } = await spoken(t, 2)
  const one = (await world.messages()).find(message => message.external_id === 'm-1')!
  await run(async trx => {
    await triageEvents(trx, await trx.selectFrom('events').selectAll().execute(), lexiconModel, clock.now)
    await correctTriage(trx, one.id, { sentiment: 'complaint' }, actor, clock.now)
    await dismissMessage(
      trx,
      { conversation_id: one.conversation_id, message_id: one.id },
      { reason: 'Said twice', as: 'no_reply_needed' },
      actor,
      clock.now,
    )
  })
  const { id } = await ask()
  await exportContacts(ctx)()
  const text = (await buffer(await ctx.blobs.open((await now(id)).blob_key!))).toString()
  const { messages } = JSON.parse(text)
  const exported = messages.find((message: { id: string }) => message.id === one.id)
  t.match(exported, {
    dismissed_reason: 'Said twice',
    triage: {
      sentiment: 'complaint',
      explanation: /^Complaint/,
      corrected: ['sentiment'],
      model: 'lexicon',
      rank: Number,
    },
  })
  t.notOk('workspace_id' in exported.triage)
  t.ok(messages.every(({ triage }: { triage: unknown }) => triage !== undefined))
})

t.test('a file is in memory page by page', async t => {
  const { db, ctx, ask } = await spoken(t, 450)
  const pieces: number[] = []
  for await (const piece of exportOf(db, await ask(), ctx.now())) pieces.push(piece.length)
  const whole = pieces.reduce((sum, length) => sum + length, 0)
  t.ok(
    Math.max(...pieces) < whole / 2,
    `the largest of ${pieces.length} pieces is ${Math.max(...pieces)} of ${whole} bytes`,
  )
})

t.test('an export that fails is tried again, and one that fails for ever says so', async t => {
  const { ctx, ask, now, clock } = await spoken(t, 1)
  const { id } = await ask()
  const broken = { ...ctx, blobs: { ...ctx.blobs, put: () => Promise.reject(new Error('no room')) } as never }
  await exportContacts(broken)()
  has(t, await now(id), { state: 'running', attempts: 1 })
  await exportContacts(broken)()
  has(t, await now(id), { attempts: 1 }, 'not at once')
  for (let minute = 2; minute <= 5; minute += 1) {
    clock.now = new Date(clock.now.getTime() + 61_000)
    await exportContacts(broken)()
  }
  has(t, await now(id), { state: 'failed', attempts: 5, next_attempt_at: null })
})

t.test('an export ends after a week, and with its contact', async t => {
  const { ctx, ask, now, clock, run, contact_id, actor } = await spoken(t, 1)
  const [first, second] = [await ask(), await ask()]
  await exportContacts(ctx)()
  const key = (await now(first.id)).blob_key!
  clock.now = new Date(clock.now.getTime() + 7 * 24 * 3_600_000)
  await cleanUp(ctx)()
  has(t, await now(first.id), { state: 'expired', blob_key: null })
  await collectBlobs(ctx)()
  await t.rejects(ctx.blobs.open(key), 'its bytes are gone')

  const third = await ask()
  await exportContacts(ctx)()
  const last = (await now(third.id)).blob_key!
  await collectBlobs(ctx)()
  await ctx.blobs.open(last).then(stream => stream.destroy())
  const fourth = await ask()
  await run(trx => beginErasure(trx, contact_id, actor, clock.now))
  await eraseContacts(ctx)()
  for (const { id } of [third, fourth]) has(t, await now(id), { state: 'expired', blob_key: null })
  await t.rejects(ctx.blobs.open(last), 'its bytes are gone')
  await exportContacts(ctx)()
  has(t, await now(fourth.id), { state: 'expired' }, 'nobody writes it any more')
  t.not(second.id, first.id)
})
