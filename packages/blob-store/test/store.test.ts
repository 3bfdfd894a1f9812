import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import S3rver from 's3rver'
import t, { type Test } from 'tap'
import { BlobMissing, type BlobStore, openBlobStore } from '../src/index.ts'

const ours = '01900000-0000-7000-8000-000000000001'
const theirs = '01900000-0000-7000-8000-000000000002'
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

async function temporary(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-blobs-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

async function openFolder(t: Test) {
  const PARLEY_BLOB_DIR = join(await temporary(t), 'not', 'there', 'yet')
  const store = openBlobStore({ PARLEY_DATA_DIR: '/nowhere', PARLEY_BLOB_DIR, PARLEY_S3_REGION: '' })
  return { store, folder: PARLEY_BLOB_DIR }
}

/** A server of that protocol, of somebody else's making. */
async function openBucket(t: Test): Promise<{ store: BlobStore }> {
  const server = new S3rver({
    port: 0,
    address: '127.0.0.1',
    silent: true,
    directory: await temporary(t),
    configureBuckets: [{ name: 'parley', configs: [] }],
  })
  const { port } = await server.run()
  t.teardown(() => server.close())
  const settings = {
    PARLEY_DATA_DIR: '/nowhere',
    PARLEY_S3_BUCKET: 'parley',
    PARLEY_S3_ENDPOINT: `http://127.0.0.1:${port}`,
    PARLEY_S3_REGION: 'us-east-1',
    PARLEY_S3_ACCESS_KEY_ID: 'S3RVER',
    PARLEY_S3_SECRET_ACCESS_KEY: 'S3RVER',
  }
  return { store: openBlobStore(settings) }
}

async function readAll(store: BlobStore, key: string, range?: { start: number; end: number }): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of await store.open(key, range)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function* inChunks(bytes: Buffer, size: number) {
  for (let start = 0; start < bytes.byteLength; start += size) yield bytes.subarray(start, start + size)
}

for (const [name, openStore] of [
  ['a folder', openFolder],
  ['a bucket', openBucket],
] as const) {
  t.test(`${name} gives back what was put, whole or a part of it`, async t => {
    const { store } = await openStore(t)
    await store.check()
    const bytes = randomBytes(3 * 1024 * 1024 + 17)
    const whole = { key: `${ours}/${sha256(bytes)}`, sha256: sha256(bytes), byte_size: bytes.byteLength }
    t.same(await store.put(ours, inChunks(bytes, 65_536)), whole)
    t.ok((await readAll(store, whole.key)).equals(bytes))
    t.ok((await readAll(store, whole.key, { start: 5, end: 70_000 })).equals(bytes.subarray(5, 70_001)))
    t.same(await store.put(ours, bytes), whole, 'twice is once')
    t.not((await store.put(theirs, bytes)).key, whole.key, 'another workspace has its own')
    t.equal((await store.put(ours, Buffer.alloc(0))).byte_size, 0)
    t.equal((await readAll(store, `${ours}/${sha256(Buffer.alloc(0))}`)).byteLength, 0)
  })

  t.test(`${name} forgets what is deleted, and nothing else`, async t => {
    const { store } = await openStore(t)
    const [mine, other] = [await store.put(ours, Buffer.from('same')), await store.put(theirs, Buffer.from('same'))]
    await store.delete(mine.key)
    await store.delete(mine.key)
    await t.rejects(store.open(mine.key), BlobMissing)
    t.equal((await readAll(store, other.key)).toString(), 'same')
  })

  t.test(`${name} has nothing of a source that breaks off, or that nobody lets in`, async t => {
    const { store } = await openStore(t)
    const broken = async function* () {
      yield Buffer.from('half')
      throw new Error('cut')
    }
    await t.rejects(store.put(ours, broken()), { message: 'cut' })
    await t.rejects(store.open(`${ours}/${sha256(Buffer.from('half'))}`), BlobMissing)
    let told: unknown
    const refuse = async (blob: { key: string }) => {
      told = blob
      await t.rejects(store.open(blob.key), BlobMissing, 'it is told before they appear')
      throw new Error('no')
    }
    await t.rejects(store.put(ours, Buffer.from('none'), refuse), { message: 'no' })
    const digest = sha256(Buffer.from('none'))
    t.same(told, { key: `${ours}/${digest}`, sha256: digest, byte_size: 4 })
    await t.rejects(store.open(`${ours}/${digest}`), BlobMissing)
  })

  t.test(`${name} is asked for keys and for nothing else`, async t => {
    const { store } = await openStore(t)
    const { key } = await store.put(ours, Buffer.from('a'))
    const wrong = [
      '',
      ours,
      `${ours}/`,
      `${ours}/../${key}`,
      `../${key}`,
      `/${key}`,
      `${key}/x`,
      `${key}\0`,
      key.toUpperCase(),
      `${ours}\\${sha256(Buffer.from('a'))}`,
    ]
    for (const one of wrong) {
      await t.rejects(store.open(one), TypeError, JSON.stringify(one))
      await t.rejects(store.delete(one), TypeError, JSON.stringify(one))
    }
    await t.rejects(store.put('../..', Buffer.from('a')), TypeError)
    t.equal((await readAll(store, key)).toString(), 'a')
  })
}

t.test('a folder keeps no half file, and removes what a writer that died left behind', async t => {
  const { store, folder } = await openFolder(t)
  const incoming = join(folder, 'incoming')
  const broken = async function* () {
    yield Buffer.from('half')
    throw new Error('cut')
  }
  await t.rejects(store.put(ours, broken()))
  t.same(await readdir(incoming), [])
  const [old, fresh] = [join(incoming, 'old.part'), join(incoming, 'fresh.part')]
  for (const path of [old, fresh]) await writeFile(path, 'half')
  await utimes(old, new Date('2026-01-01'), new Date('2026-01-01'))
  await store.tidy(new Date('2026-01-02'))
  t.same(await readdir(incoming), ['fresh.part'])
})

t.test('many writers of the same bytes at once leave them whole', async t => {
  const { store, folder } = await openFolder(t)
  const bytes = randomBytes(300_000)
  const blobs = await Promise.all(Array.from({ length: 20 }, () => store.put(ours, inChunks(bytes, 1_000))))
  t.equal(new Set(blobs.map(({ key }) => key)).size, 1)
  t.ok((await readAll(store, blobs[0]!.key)).equals(bytes))
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter(entry => entry.isFile())
  t.equal(files.length, 1)
})

t.test('a store that cannot be used says so', async t => {
  const file = join(await temporary(t), 'file')
  await writeFile(file, '')
  const settings = { PARLEY_DATA_DIR: '/nowhere', PARLEY_S3_REGION: 'us-east-1' }
  await t.rejects(openBlobStore({ ...settings, PARLEY_BLOB_DIR: file }).check())
  const credentials = { PARLEY_S3_ACCESS_KEY_ID: 'a', PARLEY_S3_SECRET_ACCESS_KEY: 'b' }
  const nowhere = { ...settings, ...credentials, PARLEY_S3_BUCKET: 'parley', PARLEY_S3_ENDPOINT: 'http://127.0.0.1:9' }
  await t.rejects(openBlobStore(nowhere).check())
})
