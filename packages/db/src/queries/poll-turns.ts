import type { Updateable } from 'kysely'
import type { SystemTrx, Trx } from '../database.ts'
import type { Channels } from '../tables.generated.ts'
import type { Channel } from './channels.ts'

/** A channel's turn: one worker reads its network, until `until`. */
export type PollTurn = { id: string; until: Date }

/**
 * Takes a channel's turn. Nobody else reads its network meanwhile, and if its worker dies it is due again at `until`.
 * Undefined when it is not due, or its network asked us to be quiet.
 */
export async function takePollTurn(trx: Trx, id: string, turn: PollTurn, now: Date): Promise<Channel | undefined> {
  return trx
    .updateTable('channels')
    .set({ next_poll_at: turn.until, poll_turn: turn.id })
    .where('id', '=', id)
    .where('status', '=', 'active')
    .where('next_poll_at', '<=', now)
    .where(eb => eb.or([eb('resume_at', 'is', null), eb('resume_at', '<=', now)]))
    .returningAll()
    .executeTakeFirst()
}

/**
 * Locks a channel whose turn this still is, until the transaction ends. Undefined when the turn ran out and another
 * worker took it, or the channel was stopped: what was read in it must not be stored.
 */
export async function lockPollTurn(trx: Trx, id: string, turn: PollTurn): Promise<Channel | undefined> {
  return trx
    .selectFrom('channels')
    .selectAll()
    .where('id', '=', id)
    .where('poll_turn', '=', turn.id)
    .where('status', '=', 'active')
    .forUpdate()
    .executeTakeFirst()
}

/** Ends a turn that is locked, and says when the next one is due. */
export async function endPollTurn(
  trx: Trx,
  id: string,
  change: Updateable<Channels> & { next_poll_at: Date },
): Promise<void> {
  await trx
    .updateTable('channels')
    .set({ ...change, poll_turn: null })
    .where('id', '=', id)
    .execute()
}

/** Gives a channel whose turn is overdue since `before` another time. False when it is not that late. */
export async function postponeOverdueTurn(trx: Trx, id: string, before: Date, next_poll_at: Date): Promise<boolean> {
  const { numUpdatedRows } = await trx
    .updateTable('channels')
    .set({ next_poll_at })
    .where('id', '=', id)
    .where('status', '=', 'active')
    .where('next_poll_at', '<', before)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}

/**
 * Makes a channel's turn due now. Times that have a reason are kept: a turn in progress, a pause after a failure, and
 * one that the network asked for.
 */
export async function hastenPollTurn(
  trx: Trx,
  id: string,
  now: Date,
  change: Pick<Updateable<Channels>, 'head_due_at'> = {},
): Promise<void> {
  await trx
    .updateTable('channels')
    .set({ ...change, next_poll_at: now })
    .where('id', '=', id)
    .where('status', '=', 'active')
    .where('poll_turn', 'is', null)
    .where('poll_failures', '=', 0)
    .where('next_poll_at', '>', now)
    .where(eb => eb.or([eb('resume_at', 'is', null), eb('resume_at', '<=', now)]))
    .execute()
}

export type DueChannel = { workspace_id: string; channel_id: string; due_at: Date }

/** Active channels whose network may be asked again, longest overdue first. */
export async function listChannelsToPoll(trx: SystemTrx, now: Date, limit: number): Promise<DueChannel[]> {
  return trx
    .selectFrom('channels')
    .select(['workspace_id', 'id as channel_id'])
    .select(eb => eb.ref('next_poll_at').$notNull().as('due_at'))
    .where('status', '=', 'active')
    .where('next_poll_at', '<=', now)
    .orderBy('next_poll_at')
    .limit(limit)
    .execute()
}
