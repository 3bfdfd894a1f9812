import { type Database, findLatestAttempt, findMessage, type Message } from '@parley/db'
import type { Test } from 'tap'
import { type Random, shuffled } from './fake-network/random.ts'
import { type Caught, FaultProxy, type Trap } from './fault-proxy.ts'
import { type Service, startService } from './processes.ts'
import { until } from './until.ts'

/** Beside other test files on two cores a worker's start has taken half a minute. */
const FALLEN_MS = 90_000
/** An attempt belongs to its worker for a minute; whoever comes after it asks the network only then. */
const SETTLED_MS = 240_000

/** Where something stands still or breaks: before the database, or before one of the network's servers. */
type Fall<Place extends string> = { at: Place | 'database' } & Trap

/** One moment of a send, and how the reply is found after it. */
export type SendStep<Place extends string = never> = {
  /**
   * The worker dies in what hangs, and what is held arrives after its death; what is cut it survives. Or what resolves
   * once it is in the middle of it.
   */
  falls: Fall<Place> | (() => Promise<void>)
  /** Where the answer of the call gets lost, so that what dies is a worker that looks. */
  lost?: Fall<Place>
  leaves: 'queued' | 'sending' | 'unknown' | 'sent'
}

const up = (pattern: string, armedBy?: string) =>
  ({ at: 'database', direction: 'up', effect: 'hang', pattern, ...(armedBy ? { armedBy } : {}) }) as const
const committed = (armedBy: string) =>
  ({ at: 'database', direction: 'down', effect: 'hang', pattern: 'COMMIT\0', armedBy }) as const

const TAKE = 'where id = m.conversation_id for update'
const BEGIN = 'insert into "send_attempts"'
const FINISH = 'update "send_attempts" set "finished_at"'

/** The steps that are the same for all networks: each commit of a send, before it, in it and after it. */
export const DATABASE_STEPS = {
  'before the reply is taken': { falls: up(TAKE), leaves: 'queued' },
  'before the attempt is stored': { falls: up(BEGIN), leaves: 'queued' },
  'before the attempt is committed': { falls: up('commit\0', BEGIN), leaves: 'queued' },
  'before the call leaves': { falls: committed(BEGIN), leaves: 'sending' },
  'before the outcome is stored': { falls: up(FINISH), leaves: 'sending' },
  'before the outcome is committed': { falls: up('commit\0', FINISH), leaves: 'sending' },
  'before the job is finished': { falls: committed(FINISH), leaves: 'sent' },
} as const satisfies Record<string, SendStep>

/** The look whose answer is not recorded. */
export function lookNotStored<Place extends string>(lost: Fall<Place>): SendStep<Place> {
  return { lost, falls: up(FINISH), leaves: 'unknown' }
}

export type Senders<Place extends string> = {
  db: Database
  url: string
  workspace_id: string
  env: Record<string, string>
  /** What stands before the network's servers. */
  places: Record<Place, FaultProxy>
  /** Queues the reply of a step and gives its id. */
  reply: (step: string) => Promise<string>
}

/**
 * Lets workers die at every step of a send, each reply at a step of its own, and checks that it was that step. Steps
 * between which nothing has to be waited for share a worker, which dies in all of them at once: at most eight, as many
 * replies as a worker sends at a time. No worker is left.
 * @param random gives another order each time
 * @returns the replies' ids by their steps
 */
export async function killSenders<Place extends string>(
  t: Test,
  senders: Senders<Place>,
  steps: Record<string, SendStep<Place>>,
  random?: Random,
): Promise<Map<string, string>> {
  const { url, env, reply } = senders
  const database = await FaultProxy.start(t, url)
  const places = { ...senders.places, database } as Record<Place | 'database', FaultProxy>
  const ids = new Map<string, string>()
  // Only sends, so that what the proxies see is a send.
  const start = (queues: string) =>
    startService(t, 'worker', { ...env, DATABASE_URL: database.through(url), WORKER_QUEUES: queues })
  const set = ({ at, ...trap }: Fall<Place>) => {
    let caught: Caught | undefined
    void places[at].trap(trap).then(found => {
      caught = found
    })
    return () => until(`something falls into ${JSON.stringify(trap)}`, async () => caught, FALLEN_MS)
  }
  const isLeft = (name: string, { leaves }: SendStep<Place>) =>
    until(`the reply of "${name}" is ${leaves}`, async () => {
      const { state } = await findReply(senders, ids.get(name)!)
      return state === leaves
    })
  /** One moves at a time, and all the others stand where they are to die. */
  const queueAndFall = async (name: string, falls: SendStep<Place>['falls']): Promise<Caught | undefined> => {
    const wait = typeof falls === 'function' ? falls : set(falls)
    ids.set(name, await reply(name))
    return (await wait()) ?? undefined
  }
  const die = async (worker: Service, fallen: [string, SendStep<Place>, Caught | undefined][]) => {
    await worker.kill()
    for (const [, { falls }, caught] of fallen)
      typeof falls !== 'function' && falls.effect === 'hold' ? caught?.deliver() : caught?.cut()
    for (const [name, step] of fallen) await isLeft(name, step)
  }
  const dieAt = async (group: [string, SendStep<Place>][], looks: [string, SendStep<Place>][] = []) => {
    // Without a sweep it takes nothing that an earlier worker has left.
    const worker = start('send')
    for (const [name, step] of looks) {
      await queueAndFall(name, step.lost!)
      await isLeft(name, step)
    }
    const fallen: Parameters<typeof die>[1] = []
    for (const [name, step] of group) {
      fallen.push([name, step, await queueAndFall(name, step.falls)])
      if (typeof step.falls !== 'function' && step.falls.effect === 'cut') await isLeft(name, step)
    }
    await die(worker, fallen)
  }

  const all = random ? shuffled(random, Object.entries(steps)) : Object.entries(steps)
  const looks = all.filter(([, step]) => step.lost)
  const calls = all.filter(([, step]) => !step.lost)
  await dieAt(
    calls.filter(([, step]) => step.leaves === 'sending'),
    looks,
  )
  if (looks.length > 0) {
    // The others are safe from its sweep: they belong to the dead worker for a minute.
    const worker = start('send,housekeeping')
    const waits = looks.map(([name, step]) => [name, step, set(step.falls as Fall<Place>)] as const)
    const fallen: Parameters<typeof die>[1] = []
    for (const [name, step, wait] of waits) fallen.push([name, step, await wait()])
    await die(worker, fallen)
  }
  await dieAt(calls.filter(([, step]) => step.leaves !== 'sending'))
  return ids
}

/** Waits until a reply has come to its end, and gives it. One that stays `unknown` has been asked for by then. */
export async function settledReply(
  senders: Pick<Senders<never>, 'db' | 'workspace_id'>,
  message_id: string,
  ends: 'sent' | 'unknown' = 'sent',
): Promise<Message> {
  let found = await findReply(senders, message_id)
  const ask = async () => {
    found = await findReply(senders, message_id)
    const { state, attempt, message } = found
    return state === ends && attempt?.finished_at && (ends === 'sent' || attempt.looks > 0) && message
  }
  return until(`reply ${message_id} is settled as ${ends}`, ask, SETTLED_MS).catch(cause => {
    const { body, state, state_reason, next_attempt_at } = found.message
    const last = { body, state, state_reason, next_attempt_at, looks: found.attempt?.looks }
    throw new Error(`${cause.message}: ${JSON.stringify(last)}`, { cause })
  })
}

async function findReply({ db, workspace_id }: Pick<Senders<never>, 'db' | 'workspace_id'>, message_id: string) {
  return db.inWorkspace(workspace_id, async trx => {
    const message = (await findMessage(trx, message_id))!
    return { message, state: message.state, attempt: await findLatestAttempt(trx, message_id) }
  })
}
