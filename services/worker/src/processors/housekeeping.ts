import { doubtOutbox, lapseClaims, wakeSnoozed } from '@parley/core'
import {
  compactCounts,
  countCountRows,
  deleteBulkRuns,
  deleteClosedEvents,
  deleteDuplicateCounts,
  deleteEndedSessions,
  deleteFormerBuilds,
  deleteOldBatches,
  deleteOldMinutes,
  deleteOldNotifications,
  deleteOldSelfChecks,
  deletePastPresence,
  deleteStoredAnswers,
  deleteUnusedAttachments,
  dropPayloadPartitions,
  ensurePayloadPartitions,
  expireOldExports,
  listActionsToAttempt,
  listChannelsToFetchFrom,
  listChannelsToPoll,
  listChannelsWithPending,
  listRepliesToAttempt,
  listRunningBatches,
  listWorkspaceIds,
  listWorkspacesToWake,
  listWorkspacesWithLapsedClaims,
  type Trx,
} from '@parley/db'
import { minuteOf } from '@parley/domain'
import type { WorkerContext } from '../context.ts'

const BATCH = 1_000
/** Events younger than this have a hint of their own on its way. */
const GRACE_MS = 2_000
const DAY_MS = 24 * 3600 * 1000
/** Rates of posts are looked at for hours. */
const KEEP_MINUTES = 24 * 60
const KEEP_ANSWERS_MS = 7 * DAY_MS
/** A draft begun before a long weekend still has its files after it. */
const KEEP_UPLOADS_MS = 7 * DAY_MS
/** For whoever asks afterwards what a session in the log was. */
const KEEP_SESSIONS_MS = 30 * DAY_MS
/** The same of a batch, and for whoever takes one back. */
const KEEP_BATCHES_MS = 30 * DAY_MS
const KEEP_NOTIFICATIONS_MS = 90 * DAY_MS
const KEEP_SELF_CHECKS_MS = 90 * DAY_MS
/** Today and a week ahead: as long may housekeeping stand still before payloads land in the default partition. */
const PARTITION_DAYS = 8
/** In one transaction, so that none is long. */
const FORGET_BATCH = 5_000
/** A turn that is due for so long had a hint that did not run: that one is not believed in any more. */
const OVERDUE_MS = 10_000

/**
 * Hints again whatever is undone in Postgres. Any number of workers may sweep at once; a flushed or absent queue
 * costs the time until the next sweep, never a message.
 */
export function sweep(ctx: WorkerContext) {
  return async (): Promise<void> => {
    const now = ctx.now()
    const before = new Date(now.getTime() - GRACE_MS)
    const work = await ctx.db.asSystem(async trx => ({
      channels: await listChannelsWithPending(trx, before, BATCH),
      replies: await listRepliesToAttempt(trx, now, BATCH),
      actions: await listActionsToAttempt(trx, now, BATCH),
      polls: await listChannelsToPoll(trx, now, BATCH),
      files: await listChannelsToFetchFrom(trx, now, BATCH),
      batches: await listRunningBatches(trx, before, BATCH),
    }))
    for (const job of work.channels) ctx.hints.repeat('ingest', job)
    for (const job of [...work.replies, ...work.actions]) ctx.hints.repeat('send', job)
    for (const job of work.files) ctx.hints.repeat('attachments', job)
    for (const job of work.batches) ctx.hints.repeat('batches', job)
    for (const { due_at, ...job } of work.polls) {
      // Repeated hints are held apart by ten seconds, which is longer than the rounds of some channels.
      if (now.getTime() - due_at.getTime() < OVERDUE_MS) ctx.hints.poll(job)
      else ctx.hints.repeat('poll', job)
    }
  }
}

/**
 * Leaves to a person what only a person can decide, and forgets what is kept for a time only: answers stored for
 * idempotency keys, rates of posts, exports, uploads that no reply took, sessions that are over, batches that finished long
 * ago, what people were told, who was at a conversation, what reports counted before they were rebuilt, checks of clocks, and
 * what the ledger holds of events that were closed long ago.
 * Several workers at it share the work.
 */
export function cleanUp(ctx: WorkerContext) {
  return async (): Promise<void> => {
    const answersBefore = new Date(ctx.now().getTime() - KEEP_ANSWERS_MS)
    const uploadsBefore = new Date(ctx.now().getTime() - KEEP_UPLOADS_MS)
    const sessionsBefore = new Date(ctx.now().getTime() - KEEP_SESSIONS_MS)
    const batchesBefore = new Date(ctx.now().getTime() - KEEP_BATCHES_MS)
    const notificationsBefore = new Date(ctx.now().getTime() - KEEP_NOTIFICATIONS_MS)
    const selfChecksBefore = new Date(ctx.now().getTime() - KEEP_SELF_CHECKS_MS)
    const ledgerBefore = oldestKept(ctx)
    for (const workspace_id of await ctx.db.asSystem(listWorkspaceIds)) {
      await ctx.db.inWorkspace(workspace_id, trx => doubtOutbox(trx, ctx.now()))
      await ctx.db.inWorkspace(workspace_id, trx => deleteStoredAnswers(trx, answersBefore))
      await ctx.db.inWorkspace(workspace_id, trx => deleteBulkRuns(trx, answersBefore))
      await ctx.db.inWorkspace(workspace_id, trx => deleteEndedSessions(trx, sessionsBefore))
      await ctx.db.inWorkspace(workspace_id, trx => deletePastPresence(trx, ctx.now()))
      await ctx.db.inWorkspace(workspace_id, trx => expireOldExports(trx, ctx.now()))
      await ctx.db.inWorkspace(workspace_id, trx => deleteOldSelfChecks(trx, selfChecksBefore))
      const minutesBefore = minuteOf(ctx.now()) - KEEP_MINUTES
      await inBatches(ctx, workspace_id, trx => deleteOldMinutes(trx, minutesBefore, FORGET_BATCH))
      await inBatches(ctx, workspace_id, trx => deleteUnusedAttachments(trx, uploadsBefore, FORGET_BATCH))
      await inBatches(ctx, workspace_id, trx => deleteOldNotifications(trx, notificationsBefore, FORGET_BATCH))
      await inBatches(ctx, workspace_id, trx => deleteOldBatches(trx, batchesBefore, FORGET_BATCH))
      await inBatches(ctx, workspace_id, trx => deleteFormerBuilds(trx, FORGET_BATCH))
      for (const forget of [deleteClosedEvents, deleteDuplicateCounts]) {
        await inBatches(ctx, workspace_id, trx => forget(trx, ledgerBefore, FORGET_BATCH))
      }
    }
  }
}

/** Makes the payload partitions of the days to come, and drops those of days that are past and done. */
export function keepPartitions(ctx: WorkerContext) {
  return async (): Promise<void> => {
    await ctx.db.maintain(trx => ensurePayloadPartitions(trx, ctx.now(), PARTITION_DAYS))
    await ctx.db.maintain(trx => dropPayloadPartitions(trx, oldestKept(ctx)))
  }
}

const oldestKept = (ctx: WorkerContext) => new Date(ctx.now().getTime() - ctx.config.PARLEY_LEDGER_DAYS * DAY_MS)

async function inBatches(
  ctx: WorkerContext,
  workspace_id: string,
  forget: (trx: Trx) => Promise<number>,
): Promise<void> {
  while ((await ctx.db.inWorkspaceByKeys(workspace_id, forget)) === FORGET_BATCH);
}

/** Opens conversations again whose snooze is over. */
export function wakeUp(ctx: WorkerContext) {
  return async (): Promise<void> => {
    for (const workspace_id of await ctx.db.asSystem(trx => listWorkspacesToWake(trx, ctx.now()))) {
      let woken: number
      do {
        woken = await ctx.db.inWorkspace(workspace_id, trx => wakeSnoozed(trx, ctx.now(), BATCH))
      } while (woken === BATCH)
      ctx.wakeUps.publish(workspace_id)
    }
  }
}

/** Gives claims back to the queue on which nobody worked. */
export function endClaims(ctx: WorkerContext) {
  return async (): Promise<void> => {
    for (const workspace_id of await ctx.db.asSystem(trx => listWorkspacesWithLapsedClaims(trx, ctx.now()))) {
      let lapsed: number
      do {
        lapsed = await ctx.db.inWorkspace(workspace_id, trx => lapseClaims(trx, ctx.now(), BATCH))
      } while (lapsed === BATCH)
      ctx.wakeUps.publish(workspace_id)
    }
  }
}

/** Fewer rows than this are added up as fast as they are read. */
const COMPACT_FROM = 1_000
const COMPACT_BATCH = 20_000

/** Adds up the counts of conversations once they have doubled since the last time. */
export function addUpCounts(ctx: WorkerContext) {
  const rowsAfter = new Map<string, number>()
  return async (): Promise<void> => {
    for (const workspace_id of await ctx.db.asSystem(listWorkspaceIds)) {
      await ctx.db.inWorkspace(workspace_id, async trx => {
        const rows = await countCountRows(trx)
        if (rows < Math.max(COMPACT_FROM, 2 * (rowsAfter.get(workspace_id) ?? 0))) return
        const fewer = await compactCounts(trx, COMPACT_BATCH)
        rowsAfter.set(workspace_id, rows - fewer)
      })
    }
  }
}
