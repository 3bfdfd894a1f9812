import { scenario, until } from '@parley/testing'
import t from 'tap'
import { openShop, postsOfBrand } from '../test/mastodon-shop.ts'

/** A look-up of what became of a reply takes some seconds, and a dead worker's lease half a minute. */
const HEALED_MS = 120_000

await scenario(
  t,
  'mastodon-lost-answers',
  'a reply whose answer was lost, was slow or never came is one post',
  async t => {
    const { network, brand, connect, openWorker, conversations, said, admin, ana } = await openShop(t)
    t.equal((await connect(brand.token)).status, 201)
    openWorker()
    await ana.v1.statuses.create({ status: '@brand hello' })
    const { id } = await until('the mention is in the inbox', async () => (await conversations())[0])
    for (const [index, fault] of (
      [
        { kind: 'answer-lost' },
        { kind: 'truncated' },
        { kind: 'html' },
        { kind: 'limited', reset_ms: 3_000 },
        { kind: 'slow-work', ms: 2_000 },
      ] as const
    ).entries()) {
      const body = `Answer ${index}`
      await network.misbehave([{ call: 'POST /api/v1/statuses', fault, times: 1 }])
      const queued = await admin.post(
        `/v1/conversations/${id}/replies`,
        { body },
        { 'idempotency-key': `lost-answer-${index}` },
      )
      t.equal(queued.status, 202, JSON.stringify(queued.body))
      const sent = await until(
        `${fault.kind}: it is sent`,
        async () => (await said(id)).find(message => message.body === body && message.state === 'sent'),
        HEALED_MS,
      )
      const posts = postsOfBrand(network).filter(({ text }) => text.endsWith(body))
      t.same(
        posts.map(post => post.id),
        [sent.external_id],
        fault.kind,
      )
    }
  },
)

await scenario(t, 'mastodon-killed-senders', 'workers killed while they send leave one post of each reply', async t => {
  const { network, brand, connect, openWorker, conversations, said, admin, ana } = await openShop(t)
  t.equal((await connect(brand.token)).status, 201)
  const reader = openWorker()
  await ana.v1.statuses.create({ status: '@brand hello' })
  const { id } = await until('the mention is in the inbox', async () => (await conversations())[0])
  await reader.kill()
  const steps = [
    { call: 'GET /api/v1/statuses/:id', fault: { kind: 'slow', ms: 600_000 } },
    { call: 'POST /api/v1/statuses', fault: { kind: 'silence' } },
    { call: 'POST /api/v1/statuses', fault: { kind: 'slow-work', ms: 3_000 } },
  ] as const
  for (const [index, step] of steps.entries()) {
    const body = `Step ${index}`
    await network.misbehave([{ ...step, times: 1 }])
    await admin.post(`/v1/conversations/${id}/replies`, { body }, { 'idempotency-key': `killed-step-${index}` })
    const calls = () => network.record().filter(entry => entry.kind === 'call' && entry.fault !== null).length
    const before = calls()
    const worker = openWorker()
    await until('the worker is in the middle of it', async () => calls() > before, HEALED_MS)
    await worker.kill()
    const next = openWorker()
    await until(
      `${body} is sent`,
      async () => (await said(id)).find(message => message.body === body && message.state === 'sent'),
      HEALED_MS,
    )
    t.equal(postsOfBrand(network).filter(({ text }) => text.endsWith(body)).length, 1, body)
    await next.kill()
  }
})
