import { type Connector, type ConnectorContext, NetworkUnavailable } from '@parley/connectors'
import type { ChannelJob } from '@parley/contracts'
import { openChannel } from '@parley/core'
import {
  type Backfill,
  type Channel,
  findChannel,
  findRunningBackfill,
  lockPollTurn,
  newId,
  type PollTurn,
  postponeOverdueTurn,
  type Trx,
  takePollTurn,
} from '@parley/db'
import { connectorContext } from '../connector-context.ts'
import type { WorkerContext } from '../context.ts'
import { spreadOut } from './pace.ts'

/** What a turn may take. Its last call ends before the turn does, so a dead worker's turn is over when it runs out. */
export type TurnLimits = {
  turnMs: number
  /** No further page is asked for after this. */
  pagesMs: number
  /** One page, with all the calls that takes. */
  callMs: number
  headPages: number
  historyPages: number
}

export const TURN_LIMITS: TurnLimits = {
  turnMs: 120_000,
  pagesMs: 60_000,
  callMs: 30_000,
  headPages: 20,
  historyPages: 10,
}

/** Nobody was at work for so long: channels then come back one by one and not all at once. */
const OVERDUE_MS = 60_000

/** A channel whose network this worker reads, until the turn ends or runs out. */
export type Turn = PollTurn & {
  /** As it was when the turn began. */
  channel: Channel
  backfill: Backfill | undefined
  limits: TurnLimits
  /** False once the time for asking is used up. */
  hasTime: () => boolean
}

/** The turn ran out and is another worker's, or the channel was stopped: nothing more may be stored in it. */
export class TurnLost extends Error {
  override name = 'TurnLost'
}

/** Undefined when the channel is not due, or somebody else has its turn. */
export async function takeTurn(ctx: WorkerContext, job: ChannelJob, limits: TurnLimits): Promise<Turn | undefined> {
  const now = ctx.now()
  const end = ctx.monotonicMs() + limits.pagesMs
  const turn = { id: newId(now), until: new Date(now.getTime() + limits.turnMs) }
  return ctx.db.inWorkspace(job.workspace_id, async trx => {
    const overdue = new Date(now.getTime() - OVERDUE_MS)
    if (await postponeOverdueTurn(trx, job.channel_id, overdue, spreadOut(now))) return undefined
    const channel = await takePollTurn(trx, job.channel_id, turn, now)
    if (!channel) return undefined
    const backfill = await findRunningBackfill(trx, channel.id)
    return { ...turn, channel, backfill, limits, hasTime: () => ctx.monotonicMs() < end }
  })
}

/**
 * Stores what was read in a turn, in one transaction that fails when the turn is no longer ours.
 * @throws TurnLost
 */
export async function inTurn<T>(ctx: WorkerContext, turn: Turn, work: (trx: Trx, channel: Channel) => Promise<T>) {
  return ctx.db.inWorkspace(turn.channel.workspace_id, async trx => {
    const channel = await lockPollTurn(trx, turn.channel.id, turn)
    if (!channel) throw new TurnLost()
    return work(trx, channel)
  })
}

/**
 * The channel as it stands before the next call: the page before may have rotated its tokens. Undefined when no call
 * may be made: the time is used up, or a reply has met the network's limit meanwhile.
 * @throws TurnLost
 */
export async function beforeCall(ctx: WorkerContext, turn: Turn): Promise<Channel | undefined> {
  if (!turn.hasTime()) return undefined
  const { workspace_id, id } = turn.channel
  const channel = await ctx.db.inWorkspace(workspace_id, trx => findChannel(trx, id))
  if (channel?.poll_turn !== turn.id || channel.status !== 'active') throw new TurnLost()
  return channel.resume_at && channel.resume_at > ctx.now() ? undefined : channel
}

/** One call of the connector, which ends when its time is up, whether the connector heeds that or not. */
export async function callNetwork<T>(
  ctx: WorkerContext,
  turn: Turn,
  channel: Channel,
  call: (connector: Connector, opened: ReturnType<typeof openChannel>, context: ConnectorContext) => Promise<T>,
): Promise<T> {
  const context = connectorContext(ctx, channel, new Date(ctx.now().getTime() + turn.limits.callMs))
  const work = call(ctx.connectorFor(channel.kind), openChannel(ctx.config.PARLEY_SECRET_KEY, channel), context)
  return new Promise((resolve, reject) => {
    const late = () => reject(new NetworkUnavailable('The network did not answer in time.', null))
    context.signal.addEventListener('abort', late, { once: true })
    work.then(resolve, reject)
  })
}
