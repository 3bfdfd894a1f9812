import { FaultProxy, scenario } from '@parley/testing'
import t from 'tap'
import {
  answer,
  answerAll,
  askAccount,
  askShop,
  checkAllSaid,
  checkReplies,
  decideDoubts,
  type Reply,
  reach,
  replyNow,
  settled,
} from './answering.ts'
import { eventually, openWorld, READER, SENDER, type World } from './world.ts'

const PUT_RECORD = 'com.atproto.repo.putRecord'
const GET_POSTS = 'app.bsky.feed.getPosts'

/** So many calls have reached the network that it answers slowly. */
const called = (world: World, name: string, nsid: string, count = 1) =>
  eventually(
    `${name} is called`,
    async () => world.calls(name, nsid).filter(({ fault }) => fault === 'slow').length >= count,
  )

await scenario(
  t,
  'stopped-senders',
  'a worker told to stop while its calls hang ends in time, and every reply becomes one post',
  async (t, seed) => {
    const world = await openWorld(t, { seed, backend: url => ({ kind: 'postgres', url }) })
    await world.openApi()
    const hole = await FaultProxy.start(t, world.network.url)
    const far = hole.through(world.network.url)
    const first = world.openWorker()
    const shop = await world.addAnsweringShop('shop', far)
    const brand = await world.addAccount('brand', far)
    const page = await world.addAccount('page')
    const asked = { shop: await askShop(world, shop, 2), brand: await askAccount(world, brand, 2) }
    const pages = await askAccount(world, page, 2)

    hole.set({ kind: 'hang' })
    await world.network.misbehave('page', [{ nsid: PUT_RECORD, fault: { kind: 'silence' }, times: 2 }])
    const ofShop = await answerAll(world, shop, asked.shop)
    const ofPage = await answerAll(world, page, pages)
    const ofBrand = await answerAll(world, brand, asked.brand)
    await reach(world, 'sending', [...ofShop, ...ofPage])
    await eventually('page is called', async () => world.calls('page', PUT_RECORD).length === 2)
    first.process.kill('SIGTERM')
    t.equal(await first.exited, 0, 'it ends within its grace')
    for (const reply of [...ofShop, ...ofPage]) {
      const { state } = await replyNow(world, reply)
      t.ok(['sending', 'unknown'].includes(state), `${reply.text} left, and nobody knows whether it arrived: ${state}`)
    }
    for (const reply of ofBrand) t.equal((await replyNow(world, reply)).state, 'queued', `${reply.text} never left`)
    await checkReplies(t, world, [...ofShop, ...ofBrand])

    // What stood in the cable arrives late, or never.
    if (seed % 2 === 0) hole.cutAll()
    hole.set({ kind: 'pass' })
    world.openWorker()
    const replies = [...ofShop, ...ofPage, ...ofBrand]
    await settled(world, replies)
    await checkReplies(t, world, replies)
    for (const reply of ofShop) t.equal((await replyNow(world, reply)).state, 'unknown', 'the shop cannot be asked')
    t.comment(`${await decideDoubts(world, replies)} of ${replies.length} were left to a person`)
    await settled(world, replies)
    await checkAllSaid(t, world, replies)
  },
)

await scenario(
  t,
  'sleeping-senders',
  'a worker that slept in the middle of a send neither says nor records anything when it wakes up',
  async (t, seed) => {
    const world = await openWorld(t, { seed, backend: url => ({ kind: 'postgres', url }) })
    await world.openApi()
    world.openWorker(READER)
    const database = await FaultProxy.start(t, world.url)
    const shop = await world.addAnsweringShop('shop')
    const brand = await world.addAccount('brand')
    const shops = await askShop(world, shop, 2)
    const brands = await askAccount(world, brand, 3)

    const slow = { kind: 'slow', ms: 20_000 } as const
    // The first has committed its attempts and does not know it yet; another reply it is only preparing.
    const early = world.openWorker({
      ...SENDER,
      DATABASE_URL: database.through(world.url),
      DATABASE_DIRECT_URL: world.url,
    })
    const committed = [1, 2].map(() =>
      database.trap({ direction: 'down', armedBy: 'insert into "send_attempts"', pattern: 'COMMIT', effect: 'hang' }),
    )
    const begun = [
      await answer(world, shop, shops[0]!, 'shop begun'),
      await answer(world, brand, brands[0]!, 'brand begun'),
    ]
    await Promise.all(committed)
    await world.network.misbehave('brand', [{ nsid: GET_POSTS, fault: slow, times: 1 }])
    const prepared = await answer(world, brand, brands[2]!, 'brand prepared')
    await called(world, 'brand', GET_POSTS)
    early.process.kill('SIGSTOP')
    database.release()

    // The second takes over what was only prepared, and waits for answers, which come while it sleeps.
    await world.network.misbehave('shop', [{ nsid: 'reply', fault: slow }])
    await world.network.misbehave('brand', [{ nsid: PUT_RECORD, fault: slow }])
    const late = world.openWorker(SENDER)
    await called(world, 'brand', PUT_RECORD)
    const waiting = [
      await answer(world, shop, shops[1]!, 'shop waiting'),
      await answer(world, brand, brands[1]!, 'brand waiting'),
    ]
    await called(world, 'shop', 'reply')
    await called(world, 'brand', PUT_RECORD, 2)
    late.process.kill('SIGSTOP')
    for (const name of ['shop', 'brand']) await world.network.misbehave(name, [])

    const replies = [...begun, prepared, ...waiting]
    world.openWorker(SENDER)
    await settled(world, replies)
    await checkReplies(t, world, replies)
    t.equal(await decideDoubts(world, replies), 2, 'the shop cannot be asked')
    await settled(world, replies)
    await checkAllSaid(t, world, replies)

    const before = await recorded(world, replies)
    for (const sleeper of [early, late]) sleeper.process.kill('SIGCONT')
    await eventually('it woke up', async () => early.output().split('not begun before').length > 2)
    for (const sleeper of [early, late]) {
      sleeper.process.kill('SIGTERM')
      t.equal(await sleeper.exited, 0, 'what it was at has ended')
    }
    t.same(await recorded(world, replies), before, 'it records nothing')
    await checkAllSaid(t, world, replies)
  },
)

/** Everything that is known of them. */
async function recorded(world: World, replies: Reply[]) {
  return Promise.all(
    replies.map(async reply => ({
      message: await replyNow(world, reply),
      attempts: (await world.admin.get(`/v1/messages/${reply.id}/attempts`)).body.data,
    })),
  )
}
