import { beginSelfCheck, recordSelfCheck } from '@parley/core'
import { newId } from '@parley/db'
import { has } from '@parley/testing'
import t from 'tap'
import { addChannel, addConversation, testApi } from './helper.ts'

t.test('leads see when clocks were checked last, and what differed in the inboxes that they see', async t => {
  const api = await testApi(t)
  const { id: conversation_id } = await addConversation(api, api.ours, await addChannel(api))
  const now = api.clock.now
  const clock_id = newId(now)
  const differences = [
    { clock_id, conversation_id, level: 'figures' as const, field: 'due_at', stored: now, recomputed: null },
    { clock_id, conversation_id, level: 'log' as const, field: 'counted_ms', stored: 0, recomputed: 60_000 },
  ]
  t.same((await api.call('GET', '/v1/sla/self-check')).body, { last: null, differences: [] })
  const run = api.db.inWorkspace.bind(api.db, api.ours.workspace_id)
  await run(async trx => {
    const check = await beginSelfCheck(trx, now, () => 0)
    await recordSelfCheck(trx, check!, [{ clocks: 1, differences: [...differences, differences[0]!] }], now)
  })
  const seen = (await api.call('GET', '/v1/sla/self-check')).body
  const counts = { conversations: 1, clocks: 1, skipped: 0, differences: 2 }
  has(t, seen.last, { ...counts, started_at: now.toISOString(), finished_at: now.toISOString() })
  const told = differences.map(({ stored, ...difference }) => ({ ...difference, found_at: now.toISOString(), stored }))
  t.same(
    seen.differences.sort((a: { field: string }, b: { field: string }) => b.field.localeCompare(a.field)),
    JSON.parse(JSON.stringify(told)),
  )
  const other = (await api.call('POST', '/v1/inboxes', { name: 'Other' })).body
  const key = (await api.call('POST', '/v1/api_keys', { name: 'Lead', role: 'lead', inbox_ids: [other.id] })).body.key
  const unseen = (await api.call('GET', '/v1/sla/self-check', undefined, { authorization: `Bearer ${key}` })).body
  has(t, unseen, { last: { ...counts, differences: 0 }, differences: [] })
})
