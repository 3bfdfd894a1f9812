import { createBatch, undoBatch } from '@parley/core'
import { type BatchItem, findBatch, listItems, type MessageBatch } from '@parley/db'
import { capabilities } from '@parley/testing'
import { sql } from 'kysely'
import pg from 'pg'
import type { Test } from 'tap'
import { at, comment, drain, fakeConnector, openWorker } from './processing.ts'

const EVERYTHING = { id: '', user_id: null, inbox_ids: null }

/** A worker with so many comments, each in a thread of its own, on a network that likes whatever it is asked to. */
export async function openBatches(t: Test, count: number) {
  const connector = fakeConnector({
    capabilities: () => capabilities({ actions: ['like', 'unlike'] }),
    act: async () => ({ outcome: 'sent', accepted_at: at('09:30:00') }),
  })
  const worker = await openWorker(t, connector)
  const channel = await worker.addChannel()
  const said = Array.from({ length: count }, (_, index) => comment(`m-${index}`, { thread_key: `t-${index}` }))
  await worker.accept(channel, said)
  await drain(worker.ctx, { workspace_id: worker.workspace_id, channel_id: channel.id })
  worker.clock.now = at('09:10:00')
  const { workspace_id, run, clock, ctx } = worker
  const user = { type: 'user' as const, id: channel.id }
  const message_ids = (await worker.messages()).map(({ id }) => id)
  const make = (order: Partial<Parameters<typeof createBatch>[1]>): Promise<MessageBatch> =>
    run(trx => createBatch(trx, { action: 'like', message_ids, ...order }, EVERYTHING, user, clock.now))
  const undo = ({ id }: MessageBatch) => run(trx => undoBatch(trx, id, EVERYTHING, user, clock.now))
  const read = async ({ id }: MessageBatch) => (await run(trx => findBatch(trx, id, EVERYTHING)))!
  const items = ({ id }: MessageBatch): Promise<BatchItem[]> => run(trx => listItems(trx, id, {}, { limit: 1_000 }))
  const job = ({ id }: MessageBatch) => ({ workspace_id, batch_id: id })
  const actions = () => run(trx => trx.selectFrom('message_actions').selectAll().execute())
  /** Of each event of that type, what it is of. */
  const told = async (type: string): Promise<string[]> => {
    const { rows } = await run(trx =>
      sql<{ id: string }>`select coalesce(data ->> 'message_id', data ->> 'batch_id') as id
      from events where type = ${type} order by 1`.execute(trx),
    )
    return rows.map(({ id }) => id)
  }
  return { worker, ctx, run, clock, message_ids, make, undo, read, items, job, actions, told }
}
export type Batches = Awaited<ReturnType<typeof openBatches>>

/** A connection to the database past its row-level security. */
export async function connect(t: Test, url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  t.teardown(() => client.end())
  return client
}
