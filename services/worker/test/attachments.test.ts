import { createServer, type RequestListener } from 'node:http'
import { createEgressFetch } from '@parley/connectors'
import { has, until } from '@parley/testing'
import t, { type Test } from 'tap'
import type { WorkerContext } from '../src/context.ts'
import { FETCH_LIMITS, fetchAttachments, fetchAttachmentsAfterwards } from '../src/processors/attachments.ts'
import { sweep } from '../src/processors/housekeeping.ts'
import {
  at,
  blobsBut,
  comment,
  drain,
  fakeConnector,
  MAX_ATTACHMENT_BYTES,
  type OpenWorker,
  openWorker,
} from './processing.ts'

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
const SVG = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'

/** A server of files on loopback, and how often each was asked for. */
async function startFiles(t: Test, files: Record<string, RequestListener>) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url!)
    const answer = files[request.url!]
    if (answer) answer(request, response)
    else response.writeHead(404).end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as { port: number }
  return { url: `http://127.0.0.1:${port}`, port, asked }
}

const sending =
  (body: Buffer | string, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) =>
    response.writeHead(200, headers).end(body)

const file = (url: string, fields: Record<string, unknown> = {}) => ({
  external_id: url,
  url,
  blob_key: null,
  media_type: 'image/png',
  filename: null,
  alt_text: null,
  byte_size: null,
  inline: false,
  ...fields,
})

/** A worker that may call loopback, with a message of one channel that has these files. */
async function withFiles(t: Test, files: unknown[], fields: Partial<WorkerContext> = {}) {
  const worker = await openWorker(t, fakeConnector())
  const fetchFile = createEgressFetch(['127.0.0.0/8'], undefined, MAX_ATTACHMENT_BYTES + 1024 ** 2)
  const ctx = { ...worker.ctx, fetchFile, ...fields }
  const { workspace_id, id: channel_id } = await worker.addChannel()
  const job = { workspace_id, channel_id }
  await worker.accept({ id: channel_id } as never, [comment('m-1', { attachments: files })])
  await drain(ctx, job)
  return { ...worker, ctx, job, fetch: (limits = FETCH_LIMITS) => fetchAttachments(ctx, limits)(job) }
}

const attachments = ({ run }: Pick<OpenWorker, 'run'>) =>
  run(trx => trx.selectFrom('attachments').selectAll().orderBy('position').execute())
const only = async (worker: Pick<OpenWorker, 'run'>) => {
  const [row, ...more] = await attachments(worker)
  if (!row || more.length > 0) throw new Error(`${more.length + 1} attachments`)
  return row
}
const readAll = async (ctx: WorkerContext, key: string) => {
  const chunks: Buffer[] = []
  for await (const chunk of await ctx.blobs.open(key)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

t.test('a file of a message is fetched, and is what its content is', async t => {
  const files = await startFiles(t, { '/cat': sending(PNG, { 'content-type': 'text/html' }) })
  const worker = await withFiles(t, [file(`${files.url}/cat`, { filename: '../cat.png', alt_text: 'A cat' })])
  has(t, worker.hints, [{ queue: 'attachments', job: worker.job }])
  has(t, await only(worker), { state: 'pending', source_url: `${files.url}/cat`, next_attempt_at: worker.clock.now })
  t.same(await worker.fetch(), { fetched: 1, ended: 'empty' })
  const stored = await only(worker)
  has(t, stored, {
    state: 'stored',
    reason: null,
    media_type: 'image/png',
    byte_size: PNG.byteLength,
    filename: 'cat.png',
    alt_text: 'A cat',
    next_attempt_at: null,
    attempts: 1,
  })
  t.ok((await readAll(worker.ctx, stored.blob_key!)).equals(PNG))
  t.equal((await worker.log()).at(-1), 'attachment.stored')
  t.same(await worker.fetch(), { fetched: 0, ended: 'empty' }, 'it is not fetched again')
  t.same(files.asked, ['/cat'])
})

t.test('a page that a message links to is not fetched, and only a web address is a link', async t => {
  const files = await startFiles(t, { '/shop': sending('<html>') })
  const card = { filename: 'Kettles', media_type: 'text/html', linked: true }
  const worker = await withFiles(t, [
    file(`${files.url}/shop`, card),
    file('javascript:alert(1)', card),
    file('', { ...card, external_id: 'none', url: null }),
  ])
  t.same(await worker.fetch(), { fetched: 0, ended: 'empty' })
  const [link, ...others] = await attachments(worker)
  has(t, link, { state: 'linked', source_url: `${files.url}/shop`, filename: 'Kettles', next_attempt_at: null })
  t.same(
    others.map(({ state }) => state),
    ['failed', 'failed'],
  )
  t.same(files.asked, [])
})

t.test('what is not kept says why, and none of its bytes stay', async t => {
  const untold = 64 * 1024
  let poured = 0
  const endless: RequestListener = (_request, response) => {
    response.writeHead(200)
    const pour = () => {
      while (!response.destroyed && response.write(Buffer.alloc(untold, PNG))) poured += untold
    }
    response.on('drain', pour)
    pour()
  }
  const huge: RequestListener = (_request, response) => {
    response.writeHead(200, { 'content-length': String(10 * 1024 ** 3) })
    response.write(PNG)
  }
  const bad: Record<string, [RequestListener, RegExp, string?]> = {
    '/html': [sending('<!doctype html><script>alert(1)</script>', { 'content-type': 'image/png' }), /page/],
    '/svg': [sending(SVG), /page/],
    '/text': [sending('I am a picture'), /claims to be/],
    '/empty': [sending(''), /empty/],
    '/exe': [sending(Buffer.from('MZ\u0090\u0000\u0003', 'latin1')), /program/],
    '/named': [sending(PNG), /program/, 'cat.png.scr'],
    '/huge': [huge, /more than/],
    '/endless': [endless, /more than/],
    '/one-more': [sending(Buffer.concat([PNG, Buffer.alloc(MAX_ATTACHMENT_BYTES + 1 - PNG.byteLength)])), /more than/],
  }
  const files = await startFiles(t, Object.fromEntries(Object.entries(bad).map(([path, [answer]]) => [path, answer])))
  const given = Object.entries(bad).map(([path, [, , filename]]) => file(files.url + path, { filename }))
  const fits = Buffer.concat([PNG, Buffer.alloc(MAX_ATTACHMENT_BYTES - PNG.byteLength)])
  const good = await startFiles(t, { '/fits': sending(fits) })
  const worker = await withFiles(t, [...given, file(`${good.url}/fits`)])
  await worker.fetch()
  const rows = await attachments(worker)
  for (const [index, [path, [, reason]]] of Object.entries(bad).entries()) {
    has(t, rows[index], { state: 'refused', blob_key: null, next_attempt_at: null }, path)
    t.match(rows[index]!.reason, reason, path)
  }
  has(t, rows.at(-1), { state: 'stored', byte_size: MAX_ATTACHMENT_BYTES }, 'a file of just the size is kept')
  t.ok(poured < 64 * 1024 ** 2, `${poured} bytes were poured until the connection was cut`)
  t.same((await worker.log()).filter(type => type === 'attachment.refused').length, given.length)
  const blobs = await worker.run(trx => trx.selectFrom('blobs').select('key').execute())
  t.same(blobs, [{ key: rows.at(-1)!.blob_key }])
})

t.test('no redirect is followed and no private address called', async t => {
  const secret = await startFiles(t, { '/latest/meta-data': sending(PNG) })
  const redirects = Object.fromEntries(
    [301, 302, 303, 307, 308].map(status => [
      `/${status}`,
      ((_request, response) =>
        response.writeHead(status, { location: `${secret.url}/latest/meta-data` }).end(PNG)) as RequestListener,
    ]),
  )
  const files = await startFiles(t, redirects)
  const worker = await withFiles(
    t,
    Object.keys(redirects).map(path => file(files.url + path)),
  )
  await worker.fetch()
  for (const { state, reason } of await attachments(worker)) {
    t.equal(state, 'failed')
    t.match(reason, /leads on/)
  }
  const guarded = await withFiles(
    t,
    [
      `${secret.url}/latest/meta-data`,
      'https://169.254.169.254/latest/meta-data',
      'https://localhost/x',
      'file:///etc/passwd',
      'https://user:pass@example.com/x',
      'no address',
    ].map(url => file(url)),
    { fetchFile: createEgressFetch([]) },
  )
  await guarded.fetch()
  for (const row of await attachments(guarded)) {
    has(t, row, { state: 'refused', reason: 'Its address is not a public one.' }, row.source_url!)
  }
  t.same(secret.asked, [])
})

t.test('a server in trouble is asked again, ever later, and in the end the file has failed', async t => {
  const answers: { status: number; headers?: Record<string, string> }[] = []
  const files = await startFiles(t, {
    '/cat': (_request, response) => {
      const { status, headers } = answers.shift() ?? { status: 500 }
      response.writeHead(status, headers).end()
    },
  })
  const worker = await withFiles(t, [file(`${files.url}/cat`)])
  const waits: number[] = []
  const attempt = async () => {
    await worker.fetch()
    const row = await only(worker)
    if (row.next_attempt_at) {
      waits.push((row.next_attempt_at.getTime() - worker.clock.now.getTime()) / 1000)
      worker.clock.now = row.next_attempt_at
    }
    return row
  }
  answers.push({ status: 503, headers: { 'retry-after': '120' } }, { status: 429 })
  has(t, await attempt(), { state: 'pending', reason: 'Its server answered 503.' })
  while ((await attempt()).state === 'pending');
  has(t, await only(worker), { state: 'failed', reason: 'Its server answered 500.', attempts: 8 })
  t.same(waits, [120, 60, 300, 1_800, 7_200, 21_600, 43_200])
  t.equal(files.asked.length, 8)
  t.equal((await worker.log()).at(-1), 'attachment.failed')

  const gone = await withFiles(t, [file(`${files.url}/gone`)])
  for (let count = 0; count < 3; count += 1) {
    await gone.fetch()
    gone.clock.now = new Date(gone.clock.now.getTime() + 3_600_000)
  }
  has(t, await only(gone), { state: 'failed', attempts: 3, reason: 'Its server answered 404.' })
})

t.test('a file that drips or never comes ends with its time, and other channels go on meanwhile', async t => {
  const files = await startFiles(t, {
    '/drip': (_request, response) => {
      response.writeHead(200)
      const timer = setInterval(() => response.write(PNG.subarray(0, 1)), 5)
      response.on('close', () => clearInterval(timer))
    },
    '/silent': () => {},
    '/cut': (_request, response) => {
      response.writeHead(200, { 'content-length': '1000' })
      response.write(PNG, () => response.destroy())
    },
    '/cat': sending(PNG),
  })
  const slow = ['/drip', '/silent', '/cut'].map(path => file(files.url + path))
  const worker = await withFiles(t, slow)
  const other = await worker.addChannel()
  await worker.accept(other, [comment('m-2', { attachments: [file(`${files.url}/cat`)] })])
  const otherJob = { ...worker.job, channel_id: other.id }
  await drain(worker.ctx, otherJob)
  const waiting = worker.fetch({ ...FETCH_LIMITS, fetch_ms: 2_000 })
  await until('the slow ones are asked for', async () => files.asked.length >= 3)
  t.same(await fetchAttachments(worker.ctx)(otherJob), { fetched: 1, ended: 'empty' })
  const early = await attachments(worker)
  t.equal(early.filter(row => row.state === 'pending').length, 3, 'the slow ones are still awaited')
  await waiting
  for (const row of (await attachments(worker)).filter(row => row.channel_id !== other.id)) {
    has(t, row, { state: 'pending', reason: 'It did not arrive.', attempts: 1 }, row.source_url!)
  }
  const blobs = await worker.run(trx => trx.selectFrom('blobs').select('key').execute())
  t.equal(blobs.length, 1, 'half a file is no file')
})

t.test('a worker that dies at any step loses no file and doubles none', async t => {
  const never = () => new Promise<never>(() => {})
  const steps: Record<string, (ctx: WorkerContext, reached: () => void) => Partial<WorkerContext>> = {
    'while it fetches': (_ctx, reached) => ({
      fetchFile: () => {
        reached()
        return never()
      },
    }),
    'before the bytes are in the store': ({ blobs }, reached) => ({
      blobs: blobsBut(blobs, {
        put: async (...[workspace_id, source, announce]: Parameters<typeof blobs.put>) => {
          await blobs.put(workspace_id, source, async blob => {
            await announce!(blob)
            reached()
            await never()
          })
          return never()
        },
      }),
    }),
    'before it is recorded': ({ blobs }, reached) => ({
      blobs: blobsBut(blobs, {
        put: async (...given: Parameters<typeof blobs.put>) => {
          await blobs.put(...given)
          reached()
          return never()
        },
      }),
    }),
  }
  for (const [step, dying] of Object.entries(steps)) {
    await t.test(step, async t => {
      const files = await startFiles(t, { '/cat': sending(PNG) })
      const worker = await withFiles(t, [file(`${files.url}/cat`)])
      await new Promise<void>(resolve => {
        void fetchAttachments({ ...worker.ctx, ...dying(worker.ctx, resolve) })(worker.job)
      })
      t.same(await worker.fetch(), { fetched: 0, ended: 'empty' }, 'it is left alone while it may be alive')
      worker.clock.now = new Date(worker.clock.now.getTime() + FETCH_LIMITS.lease_ms)
      worker.hints.length = 0
      await sweep(worker.ctx)()
      const hinted = worker.hints.filter(({ queue }) => queue === 'attachments')
      t.same(hinted, [{ queue: 'attachments', job: worker.job }])
      t.same(await worker.fetch(), { fetched: 1, ended: 'empty' })
      has(t, await only(worker), { state: 'stored', attempts: 2 })
      t.same((await worker.log()).filter(type => type.startsWith('attachment.')).length, 1)
    })
  }
})

t.test('a worker that was asleep when another one took over records nothing', async t => {
  const files = await startFiles(t, { '/cat': sending(PNG) })
  const worker = await withFiles(t, [file(`${files.url}/cat`)])
  let wakeUp = () => {}
  const asleep = new Promise<void>(resolve => {
    wakeUp = resolve
  })
  let sleeps = () => {}
  const sleeping = new Promise<void>(resolve => {
    sleeps = resolve
  })
  const fetchFile: typeof fetch = async () => {
    sleeps()
    await asleep
    return new Response('gone', { status: 302 })
  }
  const slept = fetchAttachments({ ...worker.ctx, fetchFile })(worker.job)
  await sleeping
  worker.clock.now = new Date(worker.clock.now.getTime() + FETCH_LIMITS.lease_ms)
  await worker.fetch()
  wakeUp()
  await slept
  has(t, await only(worker), { state: 'stored', attempts: 2 })
})

t.test('a file that kills every worker is given up', async t => {
  const files = await startFiles(t, { '/cat': sending(PNG) })
  const worker = await withFiles(t, [file(`${files.url}/cat`)])
  await worker.run(trx => trx.updateTable('attachments').set({ attempts: 8 }).execute())
  await worker.fetch()
  has(t, await only(worker), { state: 'failed', reason: 'It could not be fetched.' })
  t.same(files.asked, [])
})

t.test('a store in trouble uses up no attempt', async t => {
  const files = await startFiles(t, { '/cat': sending(PNG) })
  const worker = await withFiles(t, [file(`${files.url}/cat`)])
  const full = blobsBut(worker.ctx.blobs, {
    put: () => Promise.reject(new Error('no space left on device')),
  })
  for (let count = 0; count < 12; count += 1) {
    await fetchAttachments({ ...worker.ctx, blobs: full })(worker.job)
    has(t, await only(worker), { state: 'pending', attempts: 0 })
    worker.clock.now = new Date(worker.clock.now.getTime() + 60_000)
  }
  await worker.fetch()
  has(t, await only(worker), { state: 'stored' })
})

t.test('a channel with many files gives way to others and goes on', async t => {
  const files = await startFiles(t, Object.fromEntries([...'abcdefghij'].map(name => [`/${name}`, sending(PNG)])))
  const worker = await withFiles(
    t,
    [...'abcdefghij'].map(name => file(`${files.url}/${name}`)),
  )
  worker.hints.length = 0
  const turn = await worker.fetch({ ...FETCH_LIMITS, turn_ms: 0 })
  t.same(turn, { fetched: 4, ended: 'time' })
  await fetchAttachmentsAfterwards(worker.ctx)(worker.job, turn)
  has(t, worker.hints, [{ queue: 'attachments', job: worker.job }])
  t.same(await worker.fetch(), { fetched: 6, ended: 'empty' })
})

t.test('an edit replaces files, and an address that was renewed is the one that is fetched', async t => {
  const files = await startFiles(t, { '/a?new': sending(PNG), '/b': sending(PNG) })
  const [a, b] = [file(`${files.url}/a`, { external_id: 'a' }), file(`${files.url}/b`, { external_id: 'b' })]
  const worker = await withFiles(t, [a])
  const { id } = { id: worker.job.channel_id }
  const renewed = { ...a, url: `${files.url}/a?new` }
  await worker.accept({ id } as never, [comment('m-1', { attachments: [renewed] })])
  await drain(worker.ctx, worker.job)
  await worker.fetch()
  has(t, await only(worker), { state: 'stored', removed: false })
  const version_at = at('10:00:00').toISOString()
  await worker.accept({ id } as never, [comment('m-1', { text: 'edited', version_at, attachments: [b] })])
  await drain(worker.ctx, worker.job)
  const rows = await attachments(worker)
  t.same(rows.map(row => [row.external_id, row.removed]).sort(), [
    ['a', true],
    ['b', false],
  ])
})
