import { setTimeout as delay } from 'node:timers/promises'
import { newId, updateChannel } from '@parley/db'
import { comment } from '@parley/testing'
import t from 'tap'
import { addChannel, atOnce, BEARER_SECRET, testApi } from './helper.ts'

const api = await testApi(t)
const { clock, db, ours } = api
const channel = await addChannel(api)

const post = (id: string, body: unknown, bearer = BEARER_SECRET) =>
  api.inject({
    method: 'POST',
    url: `/hooks/${id}`,
    payload: JSON.stringify(body),
    headers: { 'content-type': 'application/json', authorization: `Bearer ${bearer}` },
  })
const event = (id: string) => ({ id, ...comment({ external_id: id }) })
const stored = async () =>
  (await api.query("select dedup_key, xmin::text as commit from inbound_events where dedup_key like 'e-%'")) as {
    dedup_key: string
    commit: string
  }[]

t.test('requests that arrive together share commits, and each is answered for its own events', async t => {
  const answers = await atOnce(100, index => post(channel.id, event(`e-${index}`)))
  for (const answer of answers) {
    t.equal(answer.status, 202)
    t.same(answer.body, { accepted: 1, duplicates: 0, rejected: [] })
  }
  const rows = await stored()
  t.equal(rows.length, 100)
  t.ok(new Set(rows.map(row => row.commit)).size < 50, 'fewer commits than requests')
})

t.test('the same event in many requests at once is accepted once and a duplicate ever after', async t => {
  const answers = await atOnce(50, () => post(channel.id, event('e-same')))
  const sum = (what: 'accepted' | 'duplicates') => answers.reduce((total, { body }) => total + body[what], 0)
  t.same([sum('accepted'), sum('duplicates')], [1, 49])
  const [{ count }] = (await api.query(
    `select coalesce(sum(count), 0)::int as count from inbound_duplicates where channel_id = '${channel.id}'`,
  )) as [{ count: number }]
  t.equal(count, 49, 'and every repeat is counted')
})

t.test('a lone request waits for no other', async t => {
  const start = performance.now()
  let answered = false
  const lone = post(channel.id, event('e-lone')).then(answer => {
    answered = true
    return answer
  })
  // Nothing else arrives that could carry it along.
  while (!answered && performance.now() - start < 10_000) await delay(1)
  t.equal((await lone).status, 202)
  const [own] = (await stored()).filter(row => row.dedup_key === 'e-lone')
  const others = (await stored()).filter(row => row.commit === own!.commit)
  t.equal(others.length, 1)
})

t.test('a channel that was changed or deleted a moment ago is seen as it is now', async t => {
  const changing = await addChannel(api)
  const other = await addChannel(api)
  t.equal((await post(changing.id, event('e-before'))).status, 202)
  const change = (fields: Parameters<typeof updateChannel>[2]) =>
    db.inWorkspace(ours.workspace_id, trx => updateChannel(trx, changing.id, fields))
  // Any change of the row: the events are stored all the same.
  await change({ name: 'Renamed' })
  t.same((await post(changing.id, event('e-renamed'))).body.accepted, 1)
  // Credentials that are sealed for another channel open nothing: whoever still believed the old ones would answer 202.
  const [row] = await api.query(`select credentials_sealed from channels where id = '${other.id}'`)
  await change({ credentials_sealed: row!.credentials_sealed })
  t.not((await post(changing.id, event('e-old-secret'))).status, 202)
  await change({ status: 'deleted' })
  t.equal((await post(changing.id, event('e-gone'))).status, 410)
  const keys = (await stored()).map(({ dedup_key }) => dedup_key)
  t.same(
    ['e-before', 'e-renamed', 'e-old-secret', 'e-gone'].map(key => keys.includes(key)),
    [true, true, false, false],
  )
  t.equal((await post(newId(clock.now), event('e-nowhere'))).status, 404)
})
