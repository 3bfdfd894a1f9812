import { REPORT_DEFINITIONS, REPORT_DIMENSIONS, REPORTS, type ReportDimension, type ReportName } from '@parley/domain'
import t, { type Test } from 'tap'
import { addChannel, addKey, type Json, type TestApi, testApi } from './helper.ts'
import { openWeek } from './report-week.ts'

/** A time of the first week of March 2026, which began on a Monday. */
const at = (day: number, time: string) => new Date(`2026-03-0${day + 1}T${time}Z`)
const WEEK = 'from=2026-03-02T00:00:00Z&to=2026-03-09T00:00:00Z'

/** A small week, in which everything was counted by hand. */
async function openShop(t: Test) {
  const api = await testApi(t)
  api.clock.now = at(1, '08:00:00')
  const [shop, blog] = [await addChannel(api), await addChannel(api)]
  await api.call('PATCH', `/v1/channels/${blog.id}`, { name: '=HYPERLINK("https://example.com")' })
  const week = openWeek(api)
  const { say, answer } = week
  const ana = await say({
    channel: shop,
    thread: 't-1',
    by: 'ana',
    at: at(1, '09:10:00'),
    received_at: at(1, '09:10:02'),
  })
  await say({ channel: shop, thread: 't-1', by: 'ana', at: at(1, '09:11:00') })
  await answer(ana.conversation_id, 'Ben', at(1, '09:20:00'), 'It arrives today.')
  await week.tag(ana.conversation_id, 'Delivery', at(1, '09:30:00'))
  await say({ channel: shop, thread: 't-2', by: 'cleo', at: at(2, '10:00:00') })
  const dan = await say({ channel: blog, thread: 't-3', by: 'dan', at: at(2, '10:05:00') })
  await week.dismiss(dan.ids, 'Only thanks', at(2, '10:06:00'))
  const eve = await say({ channel: blog, thread: 't-4', by: 'eve', at: at(3, '11:00:00') })
  await answer(eve.conversation_id, 'Zoe', at(3, '13:00:00'), 'it arrives TODAY')
  await week.set(eve.conversation_id, 'resolved', 'Zoe', at(3, '14:00:00'))
  await say({ channel: blog, thread: 't-4', by: 'eve', at: at(4, '09:00:00') })
  await say({ channel: blog, thread: 't-4', by: 'us', at: at(4, '09:30:00'), text: 'On its way' }, true)
  const fay = await say({ channel: blog, thread: 't-5', by: 'fay', at: at(4, '12:00:00') })
  await week.set(fay.conversation_id, 'spam', 'Ben', at(4, '12:30:00'))
  api.clock.now = at(5, '12:00:00')
  await week.count()
  const report = async (name: ReportName, query = ''): Promise<Json> => {
    const answer = await api.call('GET', `/v1/reports/${name}?${WEEK}${query}`)
    if (answer.status !== 200) throw new Error(answer.text)
    return answer.body
  }
  return { api, week, shop, blog, report }
}

const COVERED = ['answered', 'acknowledged', 'no_reply_needed', 'hidden', 'spam', 'deleted', 'automatic', 'unhandled']

t.test('the figures of a small week are those counted by hand', async t => {
  const { api, week, shop, blog, report } = await openShop(t)
  const volume = { messages_in: 7, replies_out: 3, conversations_created: 5 }
  const became = { conversations_resolved: 1, conversations_reopened: 1 }
  t.match(await report('volume'), {
    cohort: 'occurred',
    as_of: '2026-03-06T12:00:00.000Z',
    rows: [{ from: '2026-03-02T00:00:00.000Z', to: '2026-03-09T00:00:00.000Z', ...volume, ...became }],
  })
  t.match(await report('coverage'), {
    rows: [
      {
        ...{ messages_in: 7, answered: 4, acknowledged: 0, no_reply_needed: 1, hidden: 0, spam: 1, unhandled: 1 },
        reasons: [{ reason: 'Only thanks', count: 1 }],
      },
    ],
    depth: { conversations: 5, turns_mean: 0.6, turns_p50: 0, turns_p90: 2 },
    copy_paste: { replies: 3, alike: 2, share: 2 / 3 },
  })
  const [times] = (await report('response_times')).rows
  t.match(times, { answers: 3, mean_seconds: 3200 })
  for (const [name, seconds] of Object.entries({ p50_seconds: 1800, p90_seconds: 7200, p95_seconds: 7200 }))
    t.ok(Math.abs(times[name] - seconds) <= seconds * 0.0101, `${name} is ${times[name]}`)
  const [ben, zoe] = [await week.agent('Ben'), await week.agent('Zoe')]
  const people = await report('agents')
  const of = (id: string | null) => people.rows.find((row: Json) => row.user_id === id)
  t.equal(people.names[ben.id], 'Ben')
  t.match(of(ben.id), { replies_out: 1, answers: 1, conversations_resolved: 0, mean_seconds: 600 })
  t.match(of(zoe.id), { replies_out: 1, answers: 1, mean_seconds: 7200 })
  // What was written in the network's own app, and what nobody owned.
  t.match(of(null), { replies_out: 1, answers: 1, conversations_resolved: 1, mean_seconds: 1800 })
  const channels = (await report('channels')).rows
  t.match(
    [shop, blog].map(({ id }) => channels.find((row: Json) => row.channel_id === id)),
    [
      { messages_in: 3, replies_out: 1, conversations_created: 2, answered: 2, unhandled: 1 },
      { messages_in: 4, replies_out: 2, conversations_created: 3, answered: 2, spam: 1, no_reply_needed: 1 },
    ],
  )
  const tags = await report('tags')
  t.match(tags.rows, [{ messages_in: 2, replies_out: 1, conversations_created: 1, answered: 2, unhandled: 0 }])
  t.equal(tags.names[tags.rows[0].tag_id], 'Delivery')
  const ingest = (await report('ingest', `&channel_id=${shop.id}`)).rows
  t.match(ingest, [{ messages_in: 3, parked_events: 0, ingest_lag_mean_seconds: 0 }])
  t.equal(ingest[0].network_lag_mean_seconds, 0.667)
  t.ok(Math.abs(ingest[0].network_lag_p95_seconds - 2) <= 0.02)
  const days = (await report('volume', '&interval=day')).rows
  t.same(
    days.map(({ from, messages_in }: Json) => [from.slice(0, 10), messages_in]),
    [
      ['2026-03-02', 2],
      ['2026-03-03', 2],
      ['2026-03-04', 1],
      ['2026-03-05', 2],
    ],
  )
  const plain = await api.query(`
    select disposition, count(*)::int as count from messages where direction = 'inbound' group by 1 order by 1`)
  const [coverage] = (await report('coverage')).rows
  t.same(
    plain,
    COVERED.filter(name => coverage[name] > 0)
      .sort()
      .map(disposition => ({ disposition, count: coverage[disposition] })),
  )
})

t.test('what became of messages adds up to all of them, however they are told apart', async t => {
  const { report } = await openShop(t)
  for (const interval of ['none', 'hour', 'day', 'week', 'month'])
    for (const group_by of [
      '',
      '&group_by=channel_id',
      '&group_by=channel_id&group_by=post_id',
      '&group_by=inbox_id',
    ]) {
      const { rows } = await report('coverage', `&interval=${interval}${group_by}`)
      t.equal(sum(rows, 'messages_in'), 7, `${interval} ${group_by}`)
      for (const row of rows)
        t.equal(
          COVERED.map(name => row[name]).reduce((a, b) => a + b),
          row.messages_in,
        )
    }
})

const sum = (rows: Json[], name: string): number => rows.reduce((whole, row) => whole + row[name], 0)

/** Everything that a list has, page by page. */
async function listAll(api: TestApi, url: string): Promise<Json[]> {
  const all: Json[] = []
  for (let cursor = ''; ; ) {
    const { status, body, text } = await api.call('GET', `${url}&limit=2${cursor}`)
    if (status !== 200) throw new Error(text)
    all.push(...body.data)
    if (!body.next_cursor) return all
    cursor = `&cursor=${body.next_cursor}`
  }
}

t.test('behind every number there is a list of as many, whatever the report, the period and the group', async t => {
  const { api, report } = await openShop(t)
  const nobody: ReportDimension[] = ['post_id', 'team_id', 'user_id']
  let numbers = 0
  for (const name of REPORTS) {
    const { measures, group_by, always } = REPORT_DEFINITIONS[name]
    for (const group of group_by) {
      const { rows } = await report(name, `&interval=day&group_by=${group}`)
      for (const row of rows) {
        const groups = REPORT_DIMENSIONS.filter(dimension => always.includes(dimension) || dimension === group)
        const chosen = groups
          .filter(dimension => row[dimension] || nobody.includes(dimension))
          .map(dimension => `&${dimension}=${row[dimension] ?? 'none'}`)
        for (const measure of measures) {
          const url = `/v1/reports/${name}/conversations?from=${row.from}&to=${row.to}${chosen.join('')}`
          const list = await listAll(api, `${url}&measure=${measure}`)
          t.equal(list.length, row[measure], `${name} ${measure} ${chosen}`)
          t.equal(new Set(list.map(({ id }) => id)).size, list.length)
          numbers += 1
        }
      }
    }
  }
  t.ok(numbers > 200, `${numbers} numbers`)
  const answers = await listAll(api, `/v1/reports/response_times/conversations?${WEEK}&measure=answers`)
  t.same(
    answers.map(({ at, response_seconds }) => [at, response_seconds]),
    [
      ['2026-03-02T09:20:00.000Z', 600],
      ['2026-03-04T13:00:00.000Z', 7200],
      ['2026-03-05T09:30:00.000Z', 1800],
    ],
  )
  const dismissed = `/v1/reports/coverage/conversations?${WEEK}&measure=no_reply_needed`
  t.equal((await listAll(api, `${dismissed}&reason=Only+thanks`)).length, 1)
  t.equal((await listAll(api, `${dismissed}&reason=Another`)).length, 0)
})

t.test('days begin where they do in the time zone, at half past an hour as well, and may have 23 hours', async t => {
  const api = await testApi(t)
  api.clock.now = at(1, '08:00:00')
  const channel = await addChannel(api)
  const week = openWeek(api)
  for (const time of ['2026-03-02T18:29:59Z', '2026-03-02T18:30:00Z', '2026-03-28T23:30:00Z', '2026-03-29T22:30:00Z'])
    await week.say({ channel, thread: time, by: 'ana', at: new Date(time) })
  await week.count()
  const days = async (from: string, to: string, time_zone: string) => {
    const query = `from=${from}&to=${to}&time_zone=${time_zone}&interval=day`
    const { body } = await api.call('GET', `/v1/reports/volume?${query}`)
    return body.rows.map(({ from, to, messages_in }: Json) => [from, to, messages_in])
  }
  t.same(await days('2026-03-01T18:30:00Z', '2026-03-04T18:30:00Z', 'Asia/Kolkata'), [
    ['2026-03-01T18:30:00.000Z', '2026-03-02T18:30:00.000Z', 1],
    ['2026-03-02T18:30:00.000Z', '2026-03-03T18:30:00.000Z', 1],
  ])
  t.same(await days('2026-03-02T18:15:00Z', '2026-03-02T18:45:00Z', 'Asia/Kathmandu'), [
    ['2026-03-02T18:15:00.000Z', '2026-03-02T18:45:00.000Z', 2],
  ])
  t.same(await days('2026-03-28T00:00:00Z', '2026-04-01T00:00:00Z', 'Europe/Berlin'), [
    ['2026-03-28T23:00:00.000Z', '2026-03-29T22:00:00.000Z', 1],
    ['2026-03-29T22:00:00.000Z', '2026-03-30T22:00:00.000Z', 1],
  ])
})

t.test('as CSV a report has what its ids are called, and nothing that a spreadsheet would run', async t => {
  const { api, blog } = await openShop(t)
  const { status, headers, text } = await api.call(
    'GET',
    `/v1/reports/channels?${WEEK}&format=csv&channel_id=${blog.id}`,
  )
  t.equal(status, 200)
  t.match(headers, { 'content-type': /^text\/csv/, 'content-disposition': /channels\.csv/ })
  const [head, row, ...rest] = text.split('\r\n')
  t.same(rest, [''])
  t.match(head, /^from,to,channel_id,channel,messages_in,replies_out,/)
  const name = `"'=HYPERLINK(""https://example.com"")"`
  t.ok(row!.startsWith(`2026-03-02T00:00:00.000Z,2026-03-09T00:00:00.000Z,${blog.id},${name},4,2,3,1,1,2,0,1,`), row!)
  const coverage = await api.call('GET', `/v1/reports/coverage?${WEEK}&format=csv`)
  t.match(coverage.text, /,Only thanks: 1\r\n$/)
})

t.test('a lead is told of the inboxes that they see, and of nothing else', async t => {
  const { api } = await openShop(t)
  const other = (await api.call('POST', '/v1/inboxes', { name: 'Other' })).body
  const { key, user_id } = await addKey(api.db, api.ours.workspace_id, 'lead', { now: api.clock.now })
  await api.call('PUT', `/v1/inboxes/${other.id}/members/${user_id}`)
  await api.call('PATCH', `/v1/inboxes/${api.ours.inbox_id}`, { open_to_all: false })
  const headers = { authorization: `Bearer ${key}` }
  for (const name of REPORTS) {
    const { status, body } = await api.call('GET', `/v1/reports/${name}?${WEEK}`, undefined, headers)
    t.equal(status, 200)
    t.same(body.rows, [], name)
    const measure = REPORT_DEFINITIONS[name].measures[0]
    const url = `/v1/reports/${name}/conversations?${WEEK}&measure=${measure}`
    t.same((await api.call('GET', url, undefined, headers)).body.data, [], name)
  }
  const { body } = await api.call('GET', `/v1/reports/coverage?${WEEK}`, undefined, headers)
  t.match(body, { depth: { conversations: 0 }, copy_paste: { replies: 0, share: null } })
  const asked = await api.call('GET', `/v1/reports/volume?${WEEK}&inbox_id=${api.ours.inbox_id}`, undefined, headers)
  t.equal(asked.status, 422)
})

t.test('a rebuild empties the reports and has the log read anew, and they say how far it has come', async t => {
  const { api, week, report } = await openShop(t)
  const before = await report('coverage')
  t.equal((await api.call('POST', '/v1/reports/rebuild')).status, 202)
  t.match(await report('coverage'), { rows: [], depth: { conversations: 0 }, copy_paste: { replies: 0 } })
  const { as_of } = await report('volume')
  t.ok(new Date(as_of) <= at(5, '12:00:00'))
  await week.count()
  t.same(await report('coverage'), before)
})

t.test('what a report does not have is refused, and so are times within a quarter of an hour', async t => {
  const api = await testApi(t)
  const refused = async (path: string) => (await api.call('GET', `/v1/reports/${path}`)).status
  for (const path of [
    'volume',
    'volume?from=2026-03-02T00:00:00Z&to=2026-03-02T00:00:00Z',
    'volume?from=2026-03-02T00:10:00Z&to=2026-03-03T00:00:00Z',
    `volume?${WEEK}&time_zone=Mars/Phobos`,
    `volume?${WEEK}&time_zone=%2B05:30`,
    `volume?${WEEK}&group_by=user_id`,
    `volume?${WEEK}&user_id=none`,
    `channels?${WEEK}&group_by=post_id`,
    `volume?${WEEK}&interval=year`,
    `volume?${WEEK}&format=xml`,
    `volume/conversations?${WEEK}`,
    `volume/conversations?${WEEK}&measure=answered`,
    `volume/conversations?${WEEK}&measure=replies_out&user_id=none`,
    `volume/conversations?${WEEK}&measure=replies_out&cursor=x`,
  ])
    t.match(await refused(path), /^(400|422)$/, path)
  const nothing = await api.call('GET', `/v1/reports/volume?${WEEK}`)
  t.match(nothing.body, { as_of: null, rows: [] })
})
