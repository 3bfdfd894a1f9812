import { below, scenario, seededRandom } from '@parley/testing'
import t from 'tap'
import {
  answer,
  answerAll,
  askAccount,
  askShop,
  checkAllSaid,
  checkReplies,
  postsOf,
  type Reply,
  reach,
  replyNow,
  settled,
} from './answering.ts'
import { eventually, openWorld, READER, SENDER, type World } from './world.ts'

const GET_POSTS = 'app.bsky.feed.getPosts'
const PUT_RECORD = 'com.atproto.repo.putRecord'
/** The calls that a reply makes. */
const CALLS = ['reply', GET_POSTS, PUT_RECORD]

const callsFor = (world: World, name: string) => CALLS.flatMap(nsid => world.calls(name, nsid))

const readChannel = async (world: World, id: string) => (await world.admin.get(`/v1/channels/${id}`)).body

await scenario(
  t,
  'told-to-wait',
  'a reply that the network tells to wait is shown as waiting, and said once, in its place, after that time',
  async (t, seed) => {
    const world = await openWorld(t, { seed, backend: url => ({ kind: 'postgres', url }) })
    await world.openApi()
    world.openWorker()
    const wait = 5 + below(seededRandom(seed), 4)
    const shop = await world.addAnsweringShop('shop')
    const brand = await world.addAccount('brand')
    const asked = [await askShop(world, shop, 2), await askAccount(world, brand, 2)] as const
    const all: Reply[] = []
    const windows: { name: string; from: number; until: number }[] = []
    for (const [channel, nsid, conversations] of [
      [shop, 'reply', asked[0]],
      [brand, PUT_RECORD, asked[1]],
    ] as const) {
      const { name, id } = channel
      const fault = { kind: 'status', status: 429, retry_after: String(wait) } as const
      await world.network.misbehave(name, [{ nsid, fault, times: 1 }])
      const first = await answer(world, channel, conversations[0]!, `${name} first`)
      const resume_at = await eventually(`${name} waits`, async () => (await readChannel(world, id)).send_resume_at)
      windows.push({ name, from: Date.now(), until: Date.parse(resume_at) })
      const { body } = await world.admin.get(`/v1/conversations/${conversations[0]}/messages`)
      const shown = body.data.find((message: { id: string }) => message.id === first.id)
      t.equal(shown.state, 'queued')
      t.match(shown.state_reason, /429|RateLimitExceeded/, 'and why it waits')
      const second = await answer(world, channel, conversations[0]!, `${name} second`)
      all.push(first, second, await answer(world, channel, conversations[1]!, `${name} elsewhere`))
    }
    await settled(world, all)
    await checkAllSaid(t, world, all)
    for (const { name, from, until } of windows) {
      const early = callsFor(world, name).filter(({ at }) => at > from && at < until)
      t.same(early, [], `nothing is called meanwhile (seed ${seed})`)
      const said = world.network
        .record()
        .flatMap(entry => (entry.kind === 'accepted' && entry.channel === name ? [entry.text] : []))
      t.ok(said.indexOf(`${name} first`) < said.indexOf(`${name} second`), `in the order they were written: ${said}`)
    }
  },
)

await scenario(
  t,
  'gone-parents',
  'a reply to what its author has deleted on the network is refused with the reason, and the customer waits as before',
  async (t, seed) => {
    const world = await openWorld(t, { seed, backend: url => ({ kind: 'postgres', url }) })
    await world.openApi()
    world.openWorker(READER)
    const shop = await world.addAnsweringShop('shop')
    const brand = await world.addAccount('brand')
    const page = await world.addAccount('page')
    const shops = await askShop(world, shop, 2)
    const brands = await askAccount(world, brand, 2)
    const pages = await askAccount(world, page, 2)
    const detail = 'comment 17 does not exist'
    const status = [404, 400, 410][seed % 3]!
    await world.network.misbehave('shop', [{ nsid: 'reply', fault: { kind: 'status', status, detail }, times: 1 }])
    await world.network.misbehave('page', [
      { nsid: PUT_RECORD, fault: { kind: 'status', status: 400, detail }, times: 1 },
    ])
    const { external_id } = await questionOf(world, brands[0]!)
    await world.network.withdraw('brand', external_id)

    const before = await Promise.all([shops, brands, pages].map(([id]) => waitingOf(world, id!)))
    const refused = [
      await answer(world, shop, shops[0]!, 'shop refused'),
      await answer(world, brand, brands[0]!, 'brand refused'),
      await answer(world, page, pages[0]!, 'page refused'),
    ]
    // Whoever wrote it takes it for done.
    for (const id of [shops[0]!, brands[0]!, pages[0]!]) {
      const headers = { 'if-match': (await world.admin.get(`/v1/conversations/${id}`)).headers.get('etag')! }
      t.equal((await world.admin.patch(`/v1/conversations/${id}`, { status: 'resolved' }, headers)).status, 200)
    }
    world.openWorker(SENDER)
    await reach(world, 'rejected', refused)
    const said = [
      ...(await answerAll(world, shop, shops.slice(1))),
      ...(await answerAll(world, brand, brands.slice(1))),
      ...(await answerAll(world, page, pages.slice(1))),
    ]
    await settled(world, said)
    await checkAllSaid(t, world, said)
    await checkReplies(t, world, refused)
    const reasons = [new RegExp(`${status}.*${detail}`), /deleted or not available/, new RegExp(detail)]
    for (const [index, reply] of refused.entries()) {
      const { state, state_reason, next_attempt_at } = await replyNow(world, reply)
      t.same([state, next_attempt_at], ['rejected', null], `${reply.text} is not tried again`)
      t.match(state_reason, reasons[index]!, reply.text)
    }
    t.equal(world.calls('shop', 'reply').length, 2, 'one call each')
    t.equal(world.calls('page', PUT_RECORD).length, 2)
    t.equal(world.calls('brand', PUT_RECORD).length, 1, 'what nobody would see is not even posted')
    const after = await Promise.all([shops, brands, pages].map(([id]) => waitingOf(world, id!)))
    t.same(after, before, 'they wait since they wrote')
    t.ok(after.every(({ status, waits }) => status === 'open' && waits.length === 1))
  },
)

await scenario(
  t,
  'deleted-channels',
  'replies of a channel that is deleted are taken back; one that is on its way is what the network makes of it',
  async (t, seed) => {
    const world = await openWorld(t, { seed, backend: url => ({ kind: 'postgres', url }) })
    await world.openApi()
    world.openWorker(READER)
    const shop = await world.addAnsweringShop('shop')
    const brand = await world.addAccount('brand')
    const page = await world.addAccount('page')
    const busy = await world.addAnsweringShop('busy')
    const queued = [
      ...(await answerAll(world, shop, await askShop(world, shop, 2))),
      ...(await answerAll(world, brand, await askAccount(world, brand, 2))),
    ]
    const others = await answerAll(world, page, await askAccount(world, page, 1))
    // Their jobs stand in the queue, and nobody works on them.
    for (const { id } of [shop, brand]) t.equal((await world.admin.delete(`/v1/channels/${id}`)).status, 200)
    const sender = world.openWorker(SENDER)
    await settled(world, [...queued, ...others])

    await world.network.misbehave('busy', [{ nsid: 'reply', fault: { kind: 'slow', ms: 3_000 } }])
    const leaving = await answerAll(world, busy, await askShop(world, busy, 2))
    await eventually('they are on their way', async () => leaving.every(reply => postsOf(world, reply).length === 1))
    t.equal((await world.admin.delete(`/v1/channels/${busy.id}`)).status, 200)
    await reach(world, 'sent', leaving)

    await checkAllSaid(t, world, [...others, ...leaving])
    await checkReplies(t, world, queued)
    for (const reply of queued) {
      const { state, state_reason } = await replyNow(world, reply)
      t.same([state, state_reason], ['cancelled', 'The channel was deleted.'], reply.text)
    }
    t.same([...callsFor(world, 'shop'), ...callsFor(world, 'brand')], [], `nobody is called (seed ${seed})`)
    t.equal(sender.process.exitCode, null, 'the worker lives')
    t.notMatch(sender.output(), /job failed/)
  },
)

async function questionOf(world: World, conversation_id: string): Promise<{ external_id: string }> {
  const { body } = await world.admin.get(`/v1/conversations/${conversation_id}/messages`)
  return body.data[0]
}

/** How its customer stands: what the API says, and the wait itself. */
async function waitingOf(world: World, conversation_id: string) {
  const { status, waiting_since } = (await world.admin.get(`/v1/conversations/${conversation_id}`)).body
  const waits = await world.db.inWorkspace(world.workspace_id, trx =>
    trx
      .selectFrom('waits')
      .select(['id', 'opened_at', 'closed_at'])
      .where('conversation_id', '=', conversation_id)
      .execute(),
  )
  return { status, waiting_since, waits }
}
