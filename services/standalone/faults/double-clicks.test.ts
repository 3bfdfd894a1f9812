import { restClient, scenario, startApi } from '@parley/testing'
import t from 'tap'
import { askAccount, askShop, checkAllSaid, type Reply, settled } from './answering.ts'
import { openWorld } from './world.ts'

const AT_ONCE = 50

await scenario(
  t,
  'double-clicks',
  'fifty clients with one key have said it once, and of fifty agents who saw the same one may answer',
  async (t, seed) => {
    const world = await openWorld(t, { seed, backend: url => ({ kind: 'postgres', url }) })
    const first = await world.openApi()
    const second = await startApi(t, world.env)
    const clients = [first, second].map(({ url }) => restClient(url, world.key))
    world.openWorker()
    const shop = await world.addAnsweringShop('shop')
    const brand = await world.addAccount('brand')
    const said: Reply[] = []
    for (const [channel, conversations] of [
      [shop, await askShop(world, shop, 2)],
      [brand, await askAccount(world, brand, 2)],
    ] as const) {
      const { name } = channel
      const reply = (index: number, conversation: string, body: Record<string, unknown>, key: string) =>
        clients[index % 2]!.post(`/v1/conversations/${conversation}/replies`, body, { 'idempotency-key': key })
      /** As a client does that is told that its first try still runs. */
      const click = async (index: number) => {
        for (;;) {
          const text = `${name} clicked`
          const answer = await reply(index, conversations[0]!, { body: text }, `${name}-clicked-${seed}`)
          if (answer.status !== 409) return answer
          t.match(answer.body.type, /idempotency-in-progress$/)
        }
      }
      const clicks = await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => click(index)))
      t.same([...new Set(clicks.map(({ status }) => status))], [202], `${name}: everybody is told that it is taken in`)
      t.equal(new Set(clicks.map(({ body }) => JSON.stringify(body))).size, 1, 'in the same words')
      said.push({ id: clicks[0]!.body.id, channel: name, text: `${name} clicked` })

      const { body: seen } = await world.admin.get(`/v1/conversations/${conversations[1]}/messages`)
      const answers = await Promise.all(
        Array.from({ length: AT_ONCE }, (_, index) => {
          const body = { body: `${name} agent ${index}`, seen_up_to: seen.data.at(-1).id }
          return reply(index, conversations[1]!, body, `${name}-agent-${index}`)
        }),
      )
      const taken = answers.filter(({ status }) => status === 202)
      t.equal(taken.length, 1, `${name}: one agent is first`)
      const [{ body: winner }] = taken as [(typeof taken)[0]]
      for (const { status, body } of answers.filter(answer => answer !== taken[0])) {
        t.same([status, body.messages?.map(({ id }: { id: string }) => id)], [409, [winner.id]], 'the others see whose')
      }
      said.push({ id: winner.id, channel: name, text: winner.body })
    }
    await settled(world, said)
    await checkAllSaid(t, world, said)
    const replies = await world.db.inWorkspace(world.workspace_id, trx =>
      trx.selectFrom('messages').select('id').where('direction', '=', 'outbound').execute(),
    )
    t.equal(replies.length, said.length, `nothing else was stored (seed ${seed})`)
  },
)
