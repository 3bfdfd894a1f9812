import { channelJob } from '@parley/contracts'
import type { WorkerContext } from '../context.ts'
import { endTurn, failTurn } from '../polling/end.ts'
import { readHead } from '../polling/head.ts'
import { readHistory } from '../polling/history.ts'
import { TURN_LIMITS, type Turn, TurnLost, takeTurn } from '../polling/turn.ts'

/**
 * One turn of a channel: reads what is new and, where a backfill runs, some pages of what was before. Returns how many
 * events the ledger did not have.
 */
export function poll(ctx: WorkerContext, limits = TURN_LIMITS) {
  return async (data: unknown): Promise<number> => {
    const turn = await takeTurn(ctx, channelJob.parse(data), limits)
    if (!turn) return 0
    try {
      return await useTurn(ctx, turn).catch(error => {
        if (error instanceof TurnLost) throw error
        return failTurn(ctx, turn, error).then(() => 0)
      })
    } catch (error) {
      if (!(error instanceof TurnLost)) throw error
      // Whoever has the turn now reads it all again.
      ctx.logger.warn({ channel_id: turn.channel.id }, 'poll turn lost')
      return 0
    }
  }
}

async function useTurn(ctx: WorkerContext, turn: Turn): Promise<number> {
  const { head_due_at } = turn.channel
  const head = !head_due_at || head_due_at <= ctx.now() ? await readHead(ctx, turn) : undefined
  const history = await readHistory(ctx, turn)
  await endTurn(ctx, turn, head)
  return (head?.accepted ?? 0) + history
}
