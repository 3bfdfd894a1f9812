import { createHash } from 'node:crypto'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { attachToMessage, lockUnusedAttachments } from '@parley/db'
import { until } from '@parley/testing'
import t, { type Test } from 'tap'
import {
  addAttachment,
  addChannel,
  addConversation,
  atOnce,
  type Json,
  MAX_ATTACHMENT_BYTES,
  PNG,
  testApi,
} from './helper.ts'
import { changesNothing, isProblem } from './refusals.ts'

const api = await testApi(t)
const { port } = await api.listen()
const authorization = `Bearer ${api.ours.key}`
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

const upload = (payload: Buffer | string, query = '', headers: Record<string, string> = {}) =>
  api.inject({
    method: 'POST',
    url: `/v1/attachments${query}`,
    headers: { authorization, 'content-type': 'image/png', ...headers },
    payload,
  })
const download = (id: string, headers: Record<string, string> = {}, method: 'GET' | 'HEAD' = 'GET') =>
  api.app.inject({ method, url: `/v1/attachments/${id}/content`, headers: { authorization, ...headers } })
const blobFiles = async () =>
  (await readdir(api.dataDir, { recursive: true, withFileTypes: true })).filter(entry => entry.isFile())

t.test('an upload is answered with what it is, and comes back as it was', async t => {
  const created = await upload(PNG, '?filename=cat.png&alt_text=A%20cat', { 'content-type': 'image/jpeg' })
  t.equal(created.status, 201)
  const { id, created_at, ...rest } = created.body
  t.same(rest, {
    message_id: null,
    state: 'stored',
    reason: null,
    url: null,
    media_type: 'image/png',
    byte_size: PNG.byteLength,
    sha256: sha256(PNG),
    filename: 'cat.png',
    alt_text: 'A cat',
    inline: false,
  })
  t.same((await api.call('GET', `/v1/attachments/${id}`)).body, created.body)
  const content = await download(id)
  t.equal(content.statusCode, 200)
  t.ok(content.rawPayload.equals(PNG))
  const headers = {
    'content-type': 'image/png',
    'content-length': String(PNG.byteLength),
    'content-disposition': 'inline; filename=cat.png',
    'content-security-policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
    'accept-ranges': 'bytes',
    etag: `"${sha256(PNG)}"`,
  }
  for (const [name, value] of Object.entries(headers)) t.equal(content.headers[name], value, name)
  t.match(content.headers['cache-control'], /^private, /)
})

t.test('one range, a condition and a HEAD are answered as HTTP says', async t => {
  const { id } = await addAttachment(api)
  const etag = `"${sha256(PNG)}"`
  const last = PNG.byteLength - 1
  const ranges: [string, number, string | undefined, Buffer][] = [
    ['bytes=0-3', 206, `bytes 0-3/${PNG.byteLength}`, PNG.subarray(0, 4)],
    ['bytes=-4', 206, `bytes ${last - 3}-${last}/${PNG.byteLength}`, PNG.subarray(-4)],
    ['bytes=60-999999', 206, `bytes 60-${last}/${PNG.byteLength}`, PNG.subarray(60)],
    ['bytes=5000-', 416, `bytes */${PNG.byteLength}`, Buffer.alloc(0)],
    ['bytes=0-0,5-6', 200, undefined, PNG],
    ['lines=1-2', 200, undefined, PNG],
    ['bytes=x', 200, undefined, PNG],
  ]
  for (const [range, status, contentRange, bytes] of ranges) {
    const answer = await download(id, { range })
    t.equal(answer.statusCode, status, range)
    t.equal(answer.headers['content-range'], contentRange, range)
    t.ok(answer.rawPayload.equals(bytes), range)
  }
  t.equal((await download(id, { range: 'bytes=0-3', 'if-range': '"other"' })).statusCode, 200)
  t.equal((await download(id, { range: 'bytes=0-3', 'if-range': etag })).statusCode, 206)
  t.equal((await download(id, { 'if-none-match': etag })).statusCode, 304)
  const head = await download(id, {}, 'HEAD')
  t.same([head.statusCode, head.headers['content-length'], head.body], [200, String(PNG.byteLength), ''])
})

t.test('what is refused says why, and nothing of it is kept', async t => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
  const before = (await blobFiles()).length
  const refused: [Buffer | string, string, string][] = [
    ['', 'image/png', ''],
    ['<!doctype html><script>alert(1)</script>', 'image/png', ''],
    ['<html><body>Hello', 'text/html', '?filename=page.html'],
    [svg, 'image/svg+xml', '?filename=logo.svg'],
    [`<?xml version="1.0"?>\n<!-- a -->${svg}`, 'image/png', ''],
    ['Hello, I am a picture', 'image/png', ''],
    [Buffer.from('MZ\u0090\u0000\u0003\u0000', 'latin1'), 'application/pdf', ''],
    ['Hello', 'text/plain', '?filename=invoice.pdf.exe'],
    ['#!/bin/sh\nrm -rf /', 'text/plain', ''],
  ]
  await changesNothing(t, api, async () => {
    for (const [bytes, type, query] of refused) {
      isProblem(t, await upload(bytes, query, { 'content-type': type }), 422, 'validation-failed', `${type} ${query}`)
    }
    const large = Buffer.concat([PNG, Buffer.alloc(MAX_ATTACHMENT_BYTES)])
    isProblem(t, await upload(large), 413, 'payload-too-large', 'too large')
    isProblem(t, await upload(PNG, '?name=cat.png'), 400, 'invalid-request', 'an unknown parameter')
  })
  t.equal((await blobFiles()).length, before, 'no bytes of them are left')
})

t.test('an upload without end, or of a length that nobody believes, is cut off and told why', async t => {
  const head = (more: string) =>
    `POST /v1/attachments HTTP/1.1\r\nhost: parley\r\nauthorization: ${authorization}\r\ncontent-type: image/png\r\n${more}\r\n\r\n`
  const huge = await pour(t, head('content-length: 10737418240'), PNG)
  t.match(huge.answer, /^HTTP\/1\.1 413 /, 'ten gigabytes are refused by their length')
  t.ok(huge.written <= 2 * 1024 ** 2, 'and not waited for')
  const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(0x10000, PNG), Buffer.from('\r\n')])
  const endless = await pour(t, head('transfer-encoding: chunked'), chunk)
  t.match(endless.answer, /^HTTP\/1\.1 413 /)
  const before = (await blobFiles()).length
  const cut = connect(port, '127.0.0.1')
  cut.write(head('transfer-encoding: chunked'))
  await new Promise<void>(resolve => cut.write(chunk, () => resolve()))
  cut.destroy()
  await t.resolves(addAttachment(api), 'the API goes on')
  await until('nothing half written is left', async () => !(await blobFiles()).some(({ name }) => /part$/.test(name)))
  t.ok((await blobFiles()).length <= before + 1)
})

/** Writes for as long as the server takes it, up to 64 MB, and returns what it said. */
async function pour(t: Test, head: string, chunk: Buffer) {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let answer = ''
  let written = 0
  socket.on('error', () => {})
  socket.on('data', data => {
    answer += data
  })
  socket.write(head)
  while (answer === '' && written < 64 * 1024 ** 2) {
    written += chunk.byteLength
    await new Promise<void>(resolve => socket.write(chunk, () => resolve()))
    await new Promise(resolve => setImmediate(resolve))
  }
  return { answer, written }
}

t.test('a name is made safe for files and headers, and is not taken for a path', async t => {
  const names: [string, string | null, RegExp][] = [
    ['../../etc/passwd', 'passwd', /^inline; filename="?passwd"?$/],
    ['C:\\temp\\a.png', 'a.png', /filename="?a\.png"?$/],
    ['a\r\nset-cookie: x=1.png', 'aset-cookie_ x=1.png', /filename="aset-cookie_ x=1\.png"/],
    ['cat\u202egnp.exe.png', 'catgnp.exe.png', /filename="?catgnp\.exe\.png"?$/],
    ['Grüße 😀.png', 'Grüße 😀.png', /filename\*=UTF-8''Gr%C3%BC%C3%9Fe%20%F0%9F%98%80\.png/],
    ['"; filename="evil.exe".png', '_; filename=_evil.exe_.png', /filename="_; filename=_evil\.exe_\.png"$/],
    ['..', null, /^inline$/],
  ]
  for (const [given, name, header] of names) {
    const created = await upload(PNG, `?filename=${encodeURIComponent(given)}`)
    t.same([created.status, created.body.filename], [201, name], given)
    const { headers } = await download(created.body.id)
    t.match(headers['content-disposition'], header)
    t.notOk(headers['set-cookie'])
  }
})

t.test('only pictures, sound and video are shown; everything else is downloaded', async t => {
  const files: [Buffer | string, string, string, RegExp][] = [
    ['%PDF-1.7\n%\u00e2\u00e3\n1 0 obj <</S/JavaScript>>', 'application/pdf', 'application/pdf', /^attachment/],
    ['a,b\n1,2\n', 'text/csv', 'text/csv', /^attachment/],
    ['Dear team, <script>alert(1)</script>', 'text/html', 'text/plain; charset=utf-8', /^attachment/],
    [Buffer.from([1, 2, 3, 0, 255]), 'text/html', 'application/octet-stream', /^attachment/],
    // Both a picture and a script: it is never anything but a picture here.
    ['GIF89a/*\u0001\u0000\u0001\u0000\u0080\u0000*/=1;alert(1)//', 'text/html', 'image/gif', /^inline/],
  ]
  for (const [bytes, claimed, served, disposition] of files) {
    const payload = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
    const created = await upload(payload, '?filename=file.dat', { 'content-type': claimed })
    t.equal(created.status, 201, `${claimed} ${created.text}`)
    const { headers } = await download(created.body.id)
    t.equal(headers['content-type'], served)
    t.match(headers['content-disposition'], disposition)
    t.equal(headers['x-content-type-options'], 'nosniff')
    t.match(headers['content-security-policy'], /^sandbox;/)
  }
})

t.test('the same upload with one Idempotency-Key is one attachment, and another file is refused', async t => {
  const key = { 'idempotency-key': 'upload-000001' }
  const [first, again] = [await upload(PNG, '', key), await upload(PNG, '', key)]
  t.same(again.body, first.body)
  const other = await upload(Buffer.concat([PNG, Buffer.from([0])]), '', key)
  isProblem(t, other, 422, 'idempotency-key-reused', 'another file')
})

t.test('a reply takes its files once, and its message shows them in order', async t => {
  const channel = await addChannel(api)
  const conversation = await addConversation(api, api.ours, channel, { messages: 2 })
  const [a, b, unused] = await atOnce(3, () => addAttachment(api))
  const theirs = await addAttachment(api, api.theirs)
  const path = `/v1/conversations/${conversation.id}`
  const reply = await api.call('POST', `${path}/replies`, { body: 'Look' }, { 'idempotency-key': 'with-files-1' })
  t.same([reply.status, reply.body.attachments], [202, []])
  const lock = (ids: string[]) => api.db.inWorkspace(api.ours.workspace_id, trx => lockUnusedAttachments(trx, ids))
  t.same(
    (await lock([b.id, theirs.id, a.id])).map(({ id }) => id),
    [b.id, a.id],
    'what is not ours is not there',
  )
  await api.db.inWorkspace(api.ours.workspace_id, trx => attachToMessage(trx, reply.body.id, [b.id, a.id]))
  t.same(
    (await lock([a.id, b.id, unused.id])).map(({ id }) => id),
    [unused.id],
  )
  const { data } = (await api.call('GET', `${path}/messages`)).body
  const filesOf = (id: string) => data.find((message: Json) => message.id === id).attachments
  t.same(
    filesOf(reply.body.id).map((file: Json) => [file.id, file.message_id]),
    [b, a].map(({ id }) => [id, reply.body.id]),
  )
  t.same(conversation.messages.flatMap(filesOf), [], 'the others have none')
})

t.test('content that is not here says so, and an attachment of another workspace is nowhere', async t => {
  const { id } = await addAttachment(api)
  const { id: foreign } = await addAttachment(api, api.theirs)
  isProblem(t, await api.call('GET', `/v1/attachments/${foreign}`), 404, 'not-found', 'foreign')
  isProblem(t, await api.call('GET', `/v1/attachments/${foreign}/content`), 404, 'not-found', 'foreign content')
  const set = (change: Json) =>
    api.db.inWorkspace(api.ours.workspace_id, trx =>
      trx.updateTable('attachments').set(change).where('id', '=', id).execute(),
    )
  await set({ state: 'refused', reason: 'The file is empty.', blob_key: null })
  isProblem(t, await api.call('GET', `/v1/attachments/${id}/content`), 409, 'conflict', 'refused')
  const source_url = 'https://shop.example/kettle'
  await set({ state: 'failed', source_url })
  t.equal((await api.call('GET', `/v1/attachments/${id}`)).body.url, null, 'where it was fetched from is not told')
  await set({ state: 'linked', reason: null })
  t.match((await api.call('GET', `/v1/attachments/${id}`)).body, { state: 'linked', url: source_url })
  isProblem(t, await api.call('GET', `/v1/attachments/${id}/content`), 409, 'conflict', 'linked')
  const { id: lost } = await addAttachment(api)
  await rm(join(api.dataDir, 'blobs'), { recursive: true })
  isProblem(t, await api.call('GET', `/v1/attachments/${lost}/content`), 404, 'not-found', 'lost')
  await writeFile(join(api.dataDir, 'blobs'), 'a file where the folder was')
  const { status, body } = await api.inject({ method: 'GET', url: '/readyz' })
  t.same([status, body.status, body.storage], [200, 'degraded', 'unavailable'])
})
