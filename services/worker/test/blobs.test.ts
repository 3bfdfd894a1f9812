import { randomUUID } from 'node:crypto'
import { acceptInbound, DELETION_STUCK_MS, keepBlob, ledgerEntries } from '@parley/core'
import {
  type Attachment,
  absorbEcho,
  announceBlob,
  attachToMessage,
  insertAttachment,
  listAttachmentsOf,
  parkInboundEvent,
} from '@parley/db'
import { has } from '@parley/testing'
import t, { type Test } from 'tap'
import { connectorContext } from '../src/connector-context.ts'
import { outgoingAttachments } from '../src/outgoing-attachments.ts'
import { fetchAttachments } from '../src/processors/attachments.ts'
import { collectBlobs } from '../src/processors/blobs.ts'
import { cleanUp } from '../src/processors/housekeeping.ts'
import { blobsBut, comment, drain, fakeConnector, MAX_ATTACHMENT_BYTES, openWorker } from './processing.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

/** A worker with what these tests do to its store. */
async function openStore(t: Test) {
  const worker = await openWorker(t, fakeConnector())
  const { ctx, workspace_id, clock, run } = worker
  const put = (content: string, from_ledger = false) =>
    keepBlob(ctx.db, ctx.blobs, workspace_id, Buffer.from(content), ctx.now, { from_ledger })
  const upload = async (content: string, fields: Partial<Attachment> = {}) => {
    const { key, sha256, byte_size } = await put(content)
    const stored = { state: 'stored' as const, blob_key: key, sha256, byte_size, media_type: 'text/plain' }
    return run(trx => insertAttachment(trx, { id: randomUUID(), ...stored, created_at: clock.now, ...fields }))
  }
  const isThere = async (key: string) =>
    ctx.blobs.open(key).then(
      stream => {
        stream.destroy()
        return true
      },
      () => false,
    )
  const rows = () => run(trx => trx.selectFrom('blobs').selectAll().orderBy('key').execute())
  const later = (ms: number) => {
    clock.now = new Date(clock.now.getTime() + ms)
  }
  return { ...worker, put, upload, isThere, rows, later, collect: collectBlobs(ctx) }
}

t.test('bytes that nothing refers to go after a day, and those of an attachment stay', async t => {
  const { put, upload, isThere, rows, later, collect } = await openStore(t)
  const orphan = await put('written by a process that died before its row')
  const used = await upload('used')
  later(DAY_MS - 1)
  await collect()
  t.ok(await isThere(orphan.key), 'whoever put it may still be about to refer to it')
  later(2)
  await collect()
  t.notOk(await isThere(orphan.key))
  t.ok(await isThere(used.blob_key!))
  t.same(
    (await rows()).map(row => row.key),
    [used.blob_key],
  )
  await put('written by a process that died before its row')
  t.ok(await isThere(orphan.key), 'and it can come back')
})

t.test('what two attachments have stays until the last of them is gone', async t => {
  const { upload, isThere, later, collect, run, ctx } = await openStore(t)
  const [first, second] = [await upload('the same'), await upload('the same')]
  t.equal(first.blob_key, second.blob_key)
  const forget = (id: string) => run(trx => trx.deleteFrom('attachments').where('id', '=', id).execute())
  await forget(first.id)
  later(2 * DAY_MS)
  await collect()
  t.ok(await isThere(second.blob_key!))
  later(6 * DAY_MS)
  await cleanUp(ctx)()
  await collect()
  t.notOk(await isThere(second.blob_key!), 'an upload that no reply has taken is forgotten after a week')
})

t.test('an upload that a message has is never forgotten', async t => {
  const { upload, isThere, later, collect, run, ctx, addChannel, accept, messages, workspace_id } = await openStore(t)
  const channel = await addChannel()
  await accept(channel, [comment('m-1')])
  await drain(ctx, { workspace_id, channel_id: channel.id })
  const [message] = await messages()
  const kept = await upload('kept')
  await run(trx => attachToMessage(trx, message!.id, [kept.id]))
  later(30 * DAY_MS)
  await cleanUp(ctx)()
  await collect()
  t.ok(await isThere(kept.blob_key!))
  t.equal((await run(trx => listAttachmentsOf(trx, [message!.id]))).length, 1)
})

t.test('the files of an echo go with it when the reply takes its place', async t => {
  const { upload, run, ctx, addChannel, accept, messages, workspace_id } = await openStore(t)
  const channel = await addChannel()
  await accept(channel, [comment('m-1'), comment('m-2', { from_us: true, parent_external_id: 'm-1' })])
  await drain(ctx, { workspace_id, channel_id: channel.id })
  const echo = (await messages()).find(message => message.external_id === 'm-2')!
  const [file, other] = [await upload('of the echo'), await upload('of nobody')]
  await run(trx => attachToMessage(trx, echo.id, [file.id]))
  await run(trx => absorbEcho(trx, echo, randomUUID()))
  const left = await run(trx => trx.selectFrom('attachments').select('id').execute())
  t.same(left, [{ id: other.id }])
})

t.test('a file that is read while polling is kept, and becomes the file of its message', async t => {
  const { ctx, addChannel, accept, workspace_id, run, later, collect, isThere } = await openStore(t)
  const channel = await addChannel()
  const { storeBlob } = connectorContext(ctx, channel, new Date(ctx.now().getTime() + 60_000))
  const part = async (bytes: Buffer, fields: Record<string, unknown> = {}) => ({
    external_id: randomUUID(),
    url: null,
    blob_key: await storeBlob!(bytes),
    media_type: 'image/png',
    filename: 'cat.png',
    alt_text: null,
    byte_size: bytes.byteLength,
    inline: true,
    ...fields,
  })
  const large = Buffer.concat([PNG, Buffer.alloc(MAX_ATTACHMENT_BYTES)])
  const parts = [
    await part(PNG),
    await part(Buffer.from('<html><script>alert(1)</script>')),
    await part(large),
    await part(Buffer.alloc(0)),
    await part(PNG, { blob_key: `${workspace_id}/${'0'.repeat(64)}` }),
    await part(PNG, { blob_key: `${randomUUID()}/${'0'.repeat(64)}` }),
    await part(PNG, { blob_key: '../../etc/passwd' }),
  ]
  await accept(channel, [comment('m-1', { attachments: parts })])
  later(2 * DAY_MS)
  await collect()
  t.ok(await isThere(parts[0]!.blob_key), 'the event has not become a message yet')
  await drain(ctx, { workspace_id, channel_id: channel.id })
  await fetchAttachments(ctx)({ workspace_id, channel_id: channel.id })
  await fetchAttachments(ctx)({ workspace_id, channel_id: channel.id })
  const files = await run(trx => trx.selectFrom('attachments').selectAll().orderBy('position').execute())
  has(t, files[0], { state: 'stored', media_type: 'image/png', inline: true, byte_size: PNG.byteLength })
  t.same(
    files.map(({ state, blob_key }) => [state, blob_key !== null]),
    [
      ['stored', true],
      ['refused', false],
      ['refused', false],
      ['refused', false],
      ['failed', false],
      ['failed', false],
      ['failed', false],
    ],
  )
  later(2 * DAY_MS)
  await collect()
  t.same(await Promise.all(parts.slice(0, 4).map(({ blob_key }) => isThere(blob_key))), [true, false, false, false])
})

t.test('bytes of an event that is parked stay until somebody has decided', async t => {
  const { put, isThere, later, collect, run, addChannel, clock } = await openStore(t)
  const channel = await addChannel()
  const polled = await put('of a mail', true)
  const uploaded = await put('of nobody')
  const event = { dedup_key: 'mail-1', thread_key: null, payload: {} }
  const [entry] = ledgerEntries(channel.id, [event], 'poll', clock.now)
  await run(trx => acceptInbound(trx, [entry!]))
  await run(trx => parkInboundEvent(trx, entry!, 'no author'))
  later(40 * DAY_MS)
  await collect()
  t.ok(await isThere(polled.key))
  t.notOk(await isThere(uploaded.key))
  await run(trx => trx.updateTable('inbound_events').set({ state: 'discarded' }).execute())
  await collect()
  t.notOk(await isThere(polled.key))
})

t.test('bytes that are put again while they are being deleted are there in the end', async t => {
  const store = await openStore(t)
  const { ctx, put, isThere, later, run } = store
  const { key } = await put('wanted again')
  later(DAY_MS + 1)
  let again: Promise<unknown> | undefined
  const blobs = blobsBut(ctx.blobs, {
    delete: async (doomed: string) => {
      const stuck_before = new Date(ctx.now().getTime() - DELETION_STUCK_MS)
      const blob = { key, byte_size: 12, from_ledger: false }
      const mayPut = await run(trx => announceBlob(trx, blob, ctx.now(), stuck_before))
      t.notOk(mayPut, 'a file that is put now would be deleted with the old one')
      again = put('wanted again')
      await ctx.blobs.delete(doomed)
    },
  })
  await collectBlobs({ ...ctx, blobs })()
  await again
  t.ok(await isThere(key))
  has(t, await run(trx => trx.selectFrom('blobs').selectAll().execute()), [{ key, deleting_at: null }])
})

t.test('a worker that died while it deleted is made good by the next one, and nobody waits for ever', async t => {
  const { ctx, put, isThere, later, rows, collect } = await openStore(t)
  const { key } = await put('half deleted')
  later(DAY_MS + 1)
  const blobs = blobsBut(ctx.blobs, { delete: () => Promise.reject(new Error('killed')) })
  await t.rejects(collectBlobs({ ...ctx, blobs })(), { message: 'killed' })
  has(t, await rows(), [{ key, deleting_at: ctx.now() }])
  await collect()
  t.ok(await isThere(key), 'the worker may still be alive')
  later(11 * 60_000)
  await collect()
  t.notOk(await isThere(key))
  t.same(await rows(), [])
  const { key: other } = await put('another one')
  later(DAY_MS + 1)
  await t.rejects(collectBlobs({ ...ctx, blobs })())
  later(11 * 60_000)
  await put('another one')
  has(t, await rows(), [{ key: other, deleting_at: null }], 'it is taken back from the dead')
})

t.test('a workspace with many blobs is looked through page by page', async t => {
  const { run, clock, later, collect, rows, workspace_id } = await openStore(t)
  const keys = Array.from({ length: 2_500 }, (_, index) => `${workspace_id}/${index.toString(16).padStart(64, '0')}`)
  const put_at = clock.now
  await run(trx =>
    trx
      .insertInto('blobs')
      .values(keys.map(key => ({ key, byte_size: 1, put_at })))
      .execute(),
  )
  later(DAY_MS + 1)
  await collect()
  t.same(await rows(), [])
})

t.test('a file goes out exactly as it came in, or not at all', async t => {
  const { ctx, upload, put } = await openStore(t)
  const file = await upload('It arrives today.', { filename: 'note.txt', alt_text: 'A note' })
  const [outgoing] = outgoingAttachments(ctx.blobs, [file])
  const { read, ...facts } = outgoing!
  t.same(facts, { id: file.id, media_type: 'text/plain', filename: 'note.txt', alt_text: 'A note', byte_size: 17 })
  t.equal((await read()).toString(), 'It arrives today.')
  const other = await put('It never arrives.')
  const damaged = outgoingAttachments(ctx.blobs, [{ ...file, blob_key: other.key }])
  await t.rejects(damaged[0]!.read(), { message: /damaged/ })
  const longer = await put('It arrives today, or another day.')
  await t.rejects(outgoingAttachments(ctx.blobs, [{ ...file, blob_key: longer.key }])[0]!.read())
  await ctx.blobs.delete(file.blob_key!)
  await t.rejects(read())
})
