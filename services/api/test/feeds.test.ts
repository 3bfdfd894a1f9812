import { appendEvents, insertFeedFailure, newId } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { has } from '@parley/testing'
import { sql } from 'kysely'
import t from 'tap'
import { addKey, type Json, testApi } from './helper.ts'
import { changesNothing, isProblem } from './refusals.ts'

const api = await testApi(t)
const { workspace_id } = api.ours
const inOurs = <T>(work: Parameters<typeof api.db.inWorkspace<T>>[1]) => api.db.inWorkspace(workspace_id, work)

/** A consumer with `unread` events before it, and an event that it left behind. */
async function addFeed(consumer: string, unread: number): Promise<string> {
  const id = newId(api.clock.now)
  await inOurs(async trx => {
    const event = { type: 'channel.updated' as const, at: api.clock.now, actor: SYSTEM, data: { body: 'secret' } }
    await appendEvents(
      trx,
      Array.from({ length: unread + 1 }, () => event),
    )
    const { rows } = await sql<Json>`select * from events order by xact desc, seq limit 1`.execute(trx)
    const { xact, seq, id: event_id } = rows[0]
    const place = { consumer, xact, seq }
    await trx
      .insertInto('feed_cursors')
      .values({ ...place, handled: 7, moved_at: api.clock.now })
      .execute()
    const failure = { event_id, event_type: 'channel.updated', state: 'failed', attempts: 3, error: 'No.' }
    await insertFeedFailure(trx, { id, ...place, ...failure, failed_at: api.clock.now })
  })
  return id
}

t.test('an administrator sees how far each consumer has come, and what stands in its way', async t => {
  await addFeed('first', 2)
  await inOurs(trx =>
    trx
      .updateTable('feed_cursors')
      .set({ attempts: 1, error: 'Not yet.', retry_at: api.clock.now })
      .where('consumer', '=', 'first')
      .execute(),
  )
  const { status, body } = await api.call('GET', '/v1/feeds')
  t.equal(status, 200)
  has(t, body.data, [
    {
      consumer: 'first',
      handled: 7,
      unread: { count: 2, at_least: false },
      oldest_unread_at: api.clock.now.toISOString(),
      trouble: { attempts: 1, error: 'Not yet.', retry_at: api.clock.now.toISOString() },
      failures: { count: 1, at_least: false },
    },
  ])
  const { body: rest } = await api.call('GET', `/v1/events?after=${body.data[0].cursor}`)
  t.ok(rest.data.length >= 0, 'its place is a cursor of the feed')
})

t.test('what a consumer left behind is listed, tried again once, and the log knows who wanted it', async t => {
  const id = await addFeed('second', 0)
  const path = '/v1/feeds/second/failures'
  const { body } = await api.call('GET', path)
  has(t, body.data, [
    { id, consumer: 'second', event_type: 'channel.updated', state: 'failed', attempts: 3, error: 'No.' },
  ])
  t.notMatch(JSON.stringify(body), 'secret', 'what the event says stays in the log')
  const answer = await api.call('POST', `${path}/${id}/retry`)
  t.equal(answer.status, 202)
  has(t, answer.body, { id, state: 'pending' })
  const again = await api.call('POST', `${path}/${id}/retry`)
  isProblem(t, again, 409, 'conflict', 'a second time')
  t.equal(again.body.state, 'pending')
  const log = await api.query(`select data from events where type = 'feed.retried'`)
  t.equal(log.length, 1)
  has(t, log[0].data, { failure_id: id, consumer: 'second', reason: 'No.' })
  await api.query(`update feed_failures set state = 'done' where id = '${id}'`)
  t.same((await api.call('GET', path)).body.data, [], 'what is done needs nobody')
})

t.test('a consumer that is not there has no failures, and those of another one are not its own', async t => {
  const id = await addFeed('third', 0)
  const { key } = await addKey(api.db, workspace_id, 'lead')
  await changesNothing(t, api, async () => {
    isProblem(t, await api.call('GET', '/v1/feeds/nobody/failures'), 404, 'not-found', 'list')
    isProblem(t, await api.call('POST', `/v1/feeds/nobody/failures/${id}/retry`), 404, 'not-found', 'retry')
    isProblem(t, await api.call('POST', `/v1/feeds/first/failures/${id}/retry`), 404, 'not-found', 'of another one')
    const lead = { authorization: `Bearer ${key}` }
    isProblem(t, await api.call('GET', '/v1/feeds', undefined, lead), 403, 'forbidden', 'a lead')
  })
})
