import { has } from '@parley/testing'
import t from 'tap'
import { addKey, type Json, testApi } from './helper.ts'
import { changesNothing, isProblem } from './refusals.ts'

const api = await testApi(t)
const lead = await addKey(api.db, api.ours.workspace_id, 'lead')
const asLead = { authorization: `Bearer ${lead.key}` }

const MONDAYS = { time_zone: 'UTC', weekly: [{ weekday: 1, opens: '09:00', closes: '17:00' }], holidays: [] }
const TUESDAYS = { ...MONDAYS, weekly: [{ weekday: 2, opens: '09:00', closes: '17:00' }] }
let named = 0
const add = async (definition: Json = MONDAYS): Promise<Json> => {
  named += 1
  return (await api.call('POST', '/v1/calendars', { name: `Hours ${named}`, definition }, asLead)).body
}
const change = (id: string, fields: object, version: number, headers = {}) =>
  api.call('PATCH', `/v1/calendars/${id}`, fields, { ...asLead, 'if-match': `"${version}"`, ...headers })
const versions = async (id: string, query = '') => (await api.call('GET', `/v1/calendars/${id}/versions?${query}`)).body
const eventsOf = (id: string) =>
  api.query(`select type, actor_id, data, previous from events where data->>'calendar_id' = '${id}' order by seq`)

t.test('each change of a calendar is a version, kept with who made it, and told', async t => {
  const made = await add()
  const { id, name } = made
  has(t, made, { version: 1, definition: MONDAYS })
  const read = await api.call('GET', `/v1/calendars/${id}`, undefined, asLead)
  t.same([read.headers.etag, read.body], ['"1"', made])
  api.clock.now = new Date(api.clock.now.getTime() + 60_000)
  const changed = await change(id, { definition: TUESDAYS }, 1)
  t.same([changed.status, changed.headers.etag], [200, '"2"'], changed.text)
  has(t, changed.body, { name, version: 2, definition: TUESDAYS, created_at: made.created_at })
  t.ok(changed.body.updated_at > made.updated_at)
  has(t, (await change(id, { name: 'Tuesdays' }, 2)).body, { name: 'Tuesdays', version: 3, definition: TUESDAYS })

  const { data } = await versions(id)
  const by = { created_by_type: 'user', created_by_id: lead.user_id }
  has(t, data, [
    { version: 3, name: 'Tuesdays', definition: TUESDAYS, ...by },
    { version: 2, name, definition: TUESDAYS, ...by },
    { version: 1, name, definition: MONDAYS, ...by },
  ])
  const [first, second, third] = await eventsOf(id)
  has(t, first, { type: 'calendar.created', actor_id: lead.user_id, data: { calendar_id: id, name, version: 1 } })
  has(t, second, { type: 'calendar.updated', data: { name, version: 2 }, previous: { name, version: 1 } })
  has(t, third, { data: { name: 'Tuesdays', version: 3 }, previous: { name, version: 2 } })
  const audit = (await api.call('GET', '/v1/audit?type=calendar.updated')).body.data
  has(t, audit[0], { type: 'calendar.updated', actor: { type: 'user', id: lead.user_id }, data: { calendar_id: id } })
})

t.test('what a calendar is read as can be saved as another one', async t => {
  const holidays = [{ date: '12-24', name: 'Christmas Eve', closed_from: '14:00', closed_until: '24:00' }]
  const { id } = await add({ ...MONDAYS, holidays })
  const { definition } = (await api.call('GET', `/v1/calendars/${id}`)).body
  has(t, (await add(definition)).definition, { ...MONDAYS, holidays })
})

t.test('versions are read page by page', async t => {
  const { id } = await add()
  for (let version = 1; version < 5; version += 1)
    await change(id, { definition: version % 2 ? TUESDAYS : MONDAYS }, version)
  const seen: number[] = []
  let cursor = ''
  do {
    const page = await versions(id, `limit=2${cursor}`)
    seen.push(...page.data.map(({ version }: Json) => version))
    cursor = page.next_cursor ? `&cursor=${page.next_cursor}` : ''
  } while (cursor)
  t.same(seen, [5, 4, 3, 2, 1])
})

t.test('a change to what it is already changes nothing', async t => {
  const { id, name } = await add()
  await changesNothing(t, api, async () => {
    const weekly = [{ closes: '17:00', opens: '09:00', weekday: 1 }]
    const same = await change(id, { name, definition: { time_zone: 'UTC', weekly } }, 1)
    t.same([same.status, same.body.version], [200, 1])
    t.equal((await change(id, {}, 1)).body.version, 1)
  })
})

t.test('a change that cannot be is refused, naming what is wrong, and nothing is stored', async t => {
  const { id } = await add()
  await change(id, { definition: TUESDAYS }, 1)
  const taken = await add()
  await changesNothing(t, api, async () => {
    isProblem(t, await change(id, { name: 'a' }, 1), 412, 'version-mismatch', 'stale')
    const without = await api.call('PATCH', `/v1/calendars/${id}`, { name: 'a' }, asLead)
    isProblem(t, without, 428, 'precondition-required', 'without If-Match')
    isProblem(t, await change(id, { name: taken.name }, 2), 409, 'conflict', 'a name that is taken')
    for (const [entry, definition] of Object.entries<Json>({
      'no open hours': { ...MONDAYS, weekly: [{ weekday: 1, opens: '09:00', closes: '09:00' }], holidays: everyDate() },
      "'Mars/Phobos' is not": { ...MONDAYS, time_zone: 'Mars/Phobos' },
      'weekly\\[1\\]': { ...MONDAYS, weekly: [...MONDAYS.weekly, { weekday: 1, opens: '24:00', closes: '10:00' }] },
      'holidays\\[0\\]': { ...MONDAYS, holidays: [{ date: '2026-02-30' }] },
      'holidays\\[1\\]': { ...MONDAYS, holidays: [{ date: '12-25' }, { date: '12-24', closed_from: '10:00' }] },
    })) {
      const refused = await change(id, { definition }, 2)
      isProblem(t, refused, 422, 'validation-failed', entry)
      t.match(refused.body.detail, new RegExp(entry))
    }
  })
})

t.test('hours in which a policy that counts by them could not be kept are refused, naming it', async t => {
  const { id } = await add()
  const terms = { calendar_id: id, targets: { first_response: { seconds: 300 * 24 * 3600 } } }
  const around = [1, 2, 3, 4, 5, 6, 7].map(weekday => ({ weekday, opens: '00:00', closes: '24:00' }))
  t.equal((await change(id, { definition: { ...MONDAYS, weekly: around } }, 1)).status, 200)
  t.equal((await api.call('POST', '/v1/sla/policies', { name: 'Patient', ...terms })).status, 201)
  const minute = { ...MONDAYS, weekly: [{ weekday: 1, opens: '09:00', closes: '09:01' }] }
  await changesNothing(t, api, async () => {
    const refused = await change(id, { definition: minute }, 2)
    isProblem(t, refused, 422, 'validation-failed', 'a minute a week')
    t.match(refused.body.detail, /The policy 'Patient' .* more than ten years/)
  })
})

t.test('of two changes at once one is made', async t => {
  const { id } = await add()
  const answers = await Promise.all(
    [TUESDAYS, { ...MONDAYS, time_zone: 'Europe/Berlin' }].map(definition => change(id, { definition }, 1)),
  )
  t.same(answers.map(({ status }) => status).sort(), [200, 412])
  t.equal((await versions(id)).data.length, 2)
})

function everyDate() {
  const dates = Array.from({ length: 366 }, (_, day) => new Date(Date.UTC(2024, 0, 1 + day)).toISOString().slice(5, 10))
  return dates.map(date => ({ date }))
}
