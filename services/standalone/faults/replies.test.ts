import { below, scenario, seededRandom } from '@parley/testing'
import t from 'tap'
import { answerAll, checkAllSaid, checkReplies, conversationsOf, decideDoubts, settled } from './answering.ts'
import { eventually, openWorld, type World } from './world.ts'

const PUT_RECORD = 'com.atproto.repo.putRecord'
const CUSTOMERS = 12

/** A network that knows a repeat by its key and one that does not, each with customers who ask. */
async function openAsked(world: World, network = world.network.url) {
  const shop = await world.addAnsweringShop('shop', network)
  const brand = await world.addAccount('brand', network)
  const story = { messages: CUSTOMERS, answers: 0, edited: 0, deleted: 0 }
  await world.publish(brand, story)
  await world.post(shop, story)
  return { shop, brand }
}

/** Everything is answered, and whatever comes of it, nothing is said twice; a person then decides what is left in doubt. */
async function answerThrough(t: Parameters<World['check']>[0], world: World, fault: () => Promise<void>) {
  const { shop, brand } = await openAsked(world)
  const asked = async (channel: typeof shop) => conversationsOf(world, channel, 1)
  await world.drained()
  const replies = [
    ...(await answerAll(world, shop, await asked(shop))),
    ...(await answerAll(world, brand, await asked(brand))),
  ]
  await fault()
  await settled(world, replies)
  await checkReplies(t, world, replies)
  for (const name of ['shop', 'brand']) await world.network.misbehave(name, [])
  t.comment(`${await decideDoubts(world, replies)} of ${replies.length} were left to a person`)
  await settled(world, replies)
  await checkAllSaid(t, world, replies)
}

await scenario(
  t,
  'lost-answers',
  'replies whose answers are lost, or that are told to wait, are said once',
  async (t, seed) => {
    const world = await openWorld(t, { seed, backend: url => ({ kind: 'postgres', url }) })
    await world.openApi()
    world.openWorker()
    const random = seededRandom(seed)
    for (const [name, nsid] of [
      ['shop', 'reply'],
      ['brand', PUT_RECORD],
    ] as const) {
      await world.network.misbehave(name, [
        { nsid, fault: { kind: 'answer-lost' }, after: below(random, 3), times: 2 },
        { nsid, fault: { kind: 'status', status: 429, retry_after: '1' }, times: 1 },
        { nsid, fault: { kind: 'truncated' }, times: 1 },
        { nsid, fault: { kind: 'status', status: 503 }, times: 1 },
      ])
    }
    await answerThrough(t, world, async () => {})
  },
)

await scenario(
  t,
  'killed-senders',
  'workers killed again and again while they send say nothing twice',
  async (t, seed) => {
    const world = await openWorld(t, { seed, backend: url => ({ kind: 'postgres', url }) })
    await world.openApi()
    const random = seededRandom(seed)
    const first = world.openWorker()
    for (const [name, nsid] of [
      ['shop', 'reply'],
      ['brand', PUT_RECORD],
    ] as const) {
      await world.network.misbehave(name, [{ nsid, fault: { kind: 'slow', ms: 700 } }])
    }
    await answerThrough(t, world, async () => {
      let worker = first
      for (let kills = 0; kills < 4; kills += 1) {
        await new Promise(resolve => setTimeout(resolve, 300 + below(random, 1200)))
        await worker.kill()
        worker = world.openWorker()
        await eventually('it works', async () => worker.output().includes('"msg":"working"'))
      }
    })
  },
)
