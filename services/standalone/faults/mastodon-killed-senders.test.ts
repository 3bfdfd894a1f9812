import {
  below,
  DATABASE_STEPS,
  killSenders,
  lookNotStored,
  type SendStep,
  scenario,
  seededRandom,
  settledReply,
  until,
} from '@parley/testing'
import t from 'tap'
import { postsOfBrand } from '../test/mastodon-shop.ts'
import { LISTED_MS, openBrand } from './mastodon-brand.ts'

const POST = 'POST /api/v1/statuses'
const up = (pattern: string) => ({ at: 'network', direction: 'up', pattern, effect: 'hang' }) as const
const ANSWER = { at: 'network', direction: 'down', pattern: 'HTTP/1.1 200', armedBy: POST } as const
const LOST = { ...ANSWER, effect: 'cut' } as const

const HAS_LEFT = 'when the post has left'
const AT_WORK = 'while the network is at work'
const STEPS: Record<string, SendStep<'network'>> = {
  ...DATABASE_STEPS,
  'while it is prepared': { falls: up('GET /api/v1/statuses/'), leaves: 'queued' },
  'while the post leaves': { falls: up(POST), leaves: 'sending' },
  [HAS_LEFT]: { falls: { ...up(POST), effect: 'hold' }, leaves: 'sending' },
  'before the answer arrives': { falls: { ...ANSWER, effect: 'hang' }, leaves: 'sending' },
  'while it asks what became of it': { lost: LOST, falls: up('GET /api/v1/accounts/'), leaves: 'unknown' },
  'before it notes what became of it': lookNotStored(LOST),
  'never, and the answer is lost': { falls: LOST, leaves: 'unknown' },
}

await scenario(
  t,
  'mastodon-killed-senders',
  'a worker that dies at any step of a send leaves one post of its reply, in the right thread',
  async (t, seed) => {
    const random = seededRandom(seed)
    const shop = await openBrand(t)
    const { network, proxy, ask, reply, answeredOnce, openWorker } = shop
    // By the seed it is done before anybody asks for it, or still at work when the post is sent again.
    const work = { kind: 'slow-work', ms: below(random, 70_000) } as const
    const faulty = () => network.record().some(entry => entry.kind === 'call' && entry.fault === work.kind)
    const steps: typeof STEPS = {
      ...STEPS,
      [AT_WORK]: {
        falls: async () => {
          await until('the network is at work', async () => faulty(), LISTED_MS)
        },
        leaves: 'sending',
      },
    }
    const names = Object.keys(steps)
    const asked = await ask(names)
    const ids = await killSenders(
      t,
      {
        ...shop,
        places: { network: proxy },
        reply: async name => {
          if (name === AT_WORK) await network.misbehave([{ call: POST, fault: work, times: 1 }])
          return reply(asked.get(name)!.id, `An answer ${name}`)
        },
      },
      steps,
      random,
    )
    const arrived = () => postsOfBrand(network).some(({ text }) => text.endsWith(`An answer ${HAS_LEFT}`))
    await until('what had left has arrived without a worker', async () => arrived())
    const answers = new Map(names.map(name => [name, [`An answer ${name}`]]))
    for (const name of names.filter(() => random() < 0.5)) {
      answers.get(name)!.push(`And another ${name}`)
      ids.set(`after ${name}`, await reply(asked.get(name)!.id, `And another ${name}`))
    }
    openWorker()
    for (const id of ids.values()) await settledReply(shop, id)
    for (const name of names) await answeredOnce(t, asked.get(name)!, answers.get(name)!, name)
    t.equal(postsOfBrand(network).length, ids.size)
  },
)
