import { scenario } from '@parley/testing'
import t from 'tap'
import { type Act, addAgents, workDay } from './agents.ts'
import { conversationsOf } from './answering.ts'
import { checkAnswers, checkAudit, checkOwners, checkVersions } from './day-checks.ts'
import { eventually, openWorld } from './world.ts'

const AGENTS = 160
const STEPS = 25
const LEASE_SECONDS = 2

await scenario(
  t,
  'agents-day',
  'of a hundred and sixty agents no two ever own one conversation, and nothing of what they do is lost or doubled',
  async (t, seed) => {
    const world = await openWorld(t, { seed, backend: url => ({ kind: 'postgres', url }) })
    const first = await world.openApi()
    const worker = world.openWorker()
    const shop = await world.addAnsweringShop('shop')
    await world.post(shop, { messages: 400, edited: 0, deleted: 0 })
    await conversationsOf(world, shop, 100)
    const agents = await addAgents(world, AGENTS)
    // So short that claims lapse under their owners' hands.
    await world.admin.patch(`/v1/inboxes/${world.inbox_id}`, { claim_lease_seconds: LEASE_SECONDS })

    const days = Promise.all(agents.map(agent => workDay(world, agent, agents, STEPS)))
    // Customers go on writing, and in the middle of the day the API dies with what it had in its hands.
    const done = () => agents.reduce((sum, { diary }) => sum + diary.length, 0)
    await eventually('a third of the day is over', async () => done() > (AGENTS * STEPS) / 4)
    await world.post(shop, { messages: 100, name: `more-${seed}`, edited: 0.2, deleted: 0.1 })
    await first.kill()
    await world.openApi()
    await days
    await world.drained()
    // Claims go on lapsing: what is compared has to stand still.
    await worker.kill()

    const acts: Act[] = agents.flatMap(agent => agent.diary)
    t.comment(`${acts.length} acts: ${summary(acts)}`)
    await checkOwners(t, world)
    await checkAudit(t, world, acts)
    checkVersions(t, world, acts)
    await checkAnswers(t, world, acts)
    // A day in which nothing went wrong for anybody would have tried nothing.
    t.ok(
      acts.some(act => act.problem === 'already-assigned'),
      'some came too late',
    )
    t.ok(
      acts.some(act => act.kind === 'next' && act.status === 200),
      'some were given the next one',
    )
    t.notOk(
      acts.some(act => act.status === 500),
      'nobody met a fault of ours',
    )
  },
)

function summary(acts: Act[]): string {
  const counts = new Map<string, number>()
  for (const { kind, status, problem } of acts) {
    const key = `${kind} ${problem ?? status ?? 'unanswered'}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return [...counts]
    .map(([key, count]) => `${count} ${key}`)
    .sort()
    .join(', ')
}
