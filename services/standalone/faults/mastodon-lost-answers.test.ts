import { below, scenario, seededRandom, settledReply, shuffled } from '@parley/testing'
import t from 'tap'
import { postsOfBrand } from '../test/mastodon-shop.ts'
import { openBrand } from './mastodon-brand.ts'

await scenario(
  t,
  'mastodon-lost-answers',
  'replies whose answers were lost, were slow or never came are one post each, in the right thread',
  async (t, seed) => {
    const random = seededRandom(seed)
    const shop = await openBrand(t)
    const { network, ask, reply, answeredOnce, openWorker } = shop
    const faults = [
      { kind: 'answer-lost' },
      { kind: 'silence' },
      { kind: 'cut' },
      { kind: 'truncated' },
      { kind: 'html' },
      { kind: 'page', status: 502 },
      { kind: 'limited', reset_ms: 1_000 + below(random, 4_000) },
      { kind: 'slow', ms: below(random, 3_000) },
      { kind: 'slow-work', ms: below(random, 5_000) },
    ] as const
    const asked = await ask(faults.map((_, index) => `question ${index}`))
    const plan = shuffled(random, faults).map(fault => ({ call: 'POST /api/v1/statuses', fault, times: 1 }))
    // Some calls go well before the next one that does not.
    await network.misbehave(plan.map(fault => ({ ...fault, after: below(random, 2) })))
    const answers = new Map<string, string[]>()
    const queued: string[] = []
    for (const [question, { id }] of shuffled(random, [...asked])) {
      const texts = [`Answer to ${question}`, ...(random() < 0.5 ? [`And to ${question} once more`] : [])]
      for (const text of texts) queued.push(await reply(id, text))
      answers.set(question, texts)
    }
    openWorker()
    for (const id of queued) await settledReply(shop, id)
    for (const [question, texts] of answers) await answeredOnce(t, asked.get(question)!, texts, question)
    t.equal(postsOfBrand(network).length, queued.length)
    const met = network.record().flatMap(entry => (entry.kind === 'call' && entry.fault ? [entry.fault] : []))
    t.same(
      met,
      plan.map(({ fault }) => fault.kind),
      'every fault was met',
    )
  },
)
