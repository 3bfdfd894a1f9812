import { assignConversation, breachClocks, changeConversation, tagConversation } from '@parley/core'
import { listClocksOfMeasure } from '@parley/db'
import { SLA_COHORTS, SLA_DIMENSIONS, SLA_MEASURE_NAMES, type SlaCohort, type SlaMetric } from '@parley/domain'
import { has } from '@parley/testing'
import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'
import { countAllClocks, summaryAt } from './clock-summary.ts'
import { at, type Inbox, message, openInboxes } from './inbox.ts'
import { openWorld, steps } from './report-world.ts'

const { openInbox } = await openInboxes(t)
const DAY = { from: at('00:00:00'), to: new Date(at('00:00:00').getTime() + 86_400_000) }
/** With two whole months in it, and one that is cut off within an hour. */
const MONTHS = { from: new Date('2026-01-31T10:15:00Z'), to: new Date('2026-04-02T07:45:00Z') }

type Judged = Record<'met' | 'breached' | 'open_overdue' | 'open' | 'cancelled' | 'fulfilled', number> & {
  metric: SlaMetric
  mean: number | null
}

/** The same by the clocks themselves, judged at an instant by rule 15 and nothing else. */
const judged = (inbox: Inbox, cohort: SlaCohort, { from, to }: typeof DAY, now: Date) =>
  inbox.run(async trx => {
    const { rows } = await sql<Judged>`
      select metric,
        count(*) filter (where state = 'fulfilled' and not late)::int as met,
        count(*) filter (where late)::int as breached,
        count(*) filter (where late and state in ('running', 'paused'))::int as open_overdue,
        count(*) filter (where not late and state in ('running', 'paused'))::int as open,
        count(*) filter (where not late and state = 'cancelled')::int as cancelled,
        count(fulfilled_at)::int as fulfilled,
        avg(greatest(0, extract(epoch from fulfilled_at - started_at))) filter (where fulfilled_at is not null)::float8 as mean
      from (select *, breached_at is not null or (state = 'running' and due_at < ${now}) as late from sla_clocks
        where ${sql.ref(`${cohort}_at`)} >= ${from} and ${sql.ref(`${cohort}_at`)} < ${to}) clocks
      group by metric order by metric`.execute(trx)
    return rows
  })

t.test('attainment = met ÷ (met + breached); open and overdue counts as breached, whoever has looked', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 0, max: 120 }), async (taken, minutes) => {
      const inbox = await openInbox()
      const { take } = await openWorld(inbox)
      for (const step of taken) await take(step)
      const now = new Date(at('09:01:00').getTime() + (taken.length + minutes) * 60_000)
      for (const [cohort, period] of SLA_COHORTS.flatMap(name => [[name, DAY] as const, [name, MONTHS] as const])) {
        const { rows } = await summaryAt(inbox, now, { cohort, ...period })
        const told = rows
          .map(({ metric, met, breached, open_overdue, open, cancelled, fulfilled, calendar_mean_seconds: mean }) => ({
            ...{ metric, met, breached, open_overdue, open, cancelled, fulfilled, mean },
          }))
          .sort((a, b) => (a.metric < b.metric ? -1 : 1))
        const expected = await judged(inbox, cohort, period, now)
        t.same(
          told,
          expected.map(({ mean, ...row }) => ({ ...row, mean: mean && Math.round(mean * 1000) / 1000 })),
        )
        for (const { metric, met, breached, attainment, ...row } of rows) {
          const decided = Number(met) + Number(breached)
          t.equal(attainment, decided === 0 ? null : Number(met) / decided)
          const counts: Record<string, unknown> = { met, breached, ...row }
          for (const measure of SLA_MEASURE_NAMES) {
            const filter = { ...period, cohort, measure, metrics: [metric], filters: {}, inbox_ids: null, as_of: now }
            const list = await inbox.run(trx => listClocksOfMeasure(trx, filter, { limit: 1000 }))
            t.equal(list.length, counts[measure], `${measure} of ${metric} is as long as its list`)
          }
        }
      }
      return t.passing()
    }),
    { numRuns: 15, endOnFailure: true },
  )
})

t.test('a summary of months says the same as one of the hours in them, whatever it is told apart by', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async taken => {
      const inbox = await openInbox()
      const { take } = await openWorld(inbox)
      for (const step of taken) await take(step)
      const now = new Date(at('09:01:00').getTime() + taken.length * 60_000)
      for (const name of SLA_DIMENSIONS) {
        const told = async (period: typeof DAY) => {
          const { rows } = await summaryAt(inbox, now, { cohort: 'started', group_by: [name], ...period })
          return rows.map(({ from, to, ...row }) => JSON.stringify(row)).sort()
        }
        t.same(await told(MONTHS), await told(DAY), name)
      }
      return t.passing()
    }),
    { numRuns: 10, endOnFailure: true },
  )
})

const OFFICE = [1, 2, 3, 4, 5].map(weekday => ({ weekday, opens: '09:30', closes: '17:00' }))

t.test('times are of calendar and of business seconds, and those of late answers are among them', async () => {
  const inbox = await openInbox()
  await inbox.promise({ first: 600, next: null, weekly: OFFICE })
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:00'))
  const { id } = await inbox.only('conversations')
  await inbox.send(await inbox.reply(id, at('10:00:00')), at('10:00:00'))
  const times = { calendar_mean_seconds: 3600, business_mean_seconds: 1800 }
  for (const period of [DAY, MONTHS]) {
    const { rows } = await summaryAt(inbox, at('11:00:00'), period)
    has(t, rows, [{ met: 0, breached: 1, fulfilled: 1, ...times }])
    for (const name of ['p50', 'p90', 'p95']) {
      const [calendar, business] = [rows[0]![`calendar_${name}_seconds`], rows[0]![`business_${name}_seconds`]]
      t.ok(Math.abs(Number(calendar) - 3600) <= 36 && Math.abs(Number(business) - 1800) <= 18, name)
    }
  }
})

t.test('what a clock stood still is in its calendar seconds alone', async () => {
  const inbox = await openInbox()
  await inbox.promise({ first: null, next: null, targets: { resolution: { seconds: 3600 } } })
  await inbox.deliver(await inbox.addChannel(), [message('m-1', '09:00:00')], at('09:00:00'))
  const { id } = await inbox.only('conversations')
  const change = async (status: 'pending' | 'open' | 'resolved', time: string) => {
    const { version } = await inbox.only('conversations')
    await inbox.run(trx => changeConversation(trx, id, { status }, version, inbox.agent, at(time)))
  }
  await change('pending', '09:10:00')
  await change('open', '11:10:00')
  await change('resolved', '11:20:00')
  const { rows } = await summaryAt(inbox, at('12:00:00'))
  has(t, rows, [{ attainment: 1, calendar_mean_seconds: 8400, business_mean_seconds: 1200 }])
})

t.test('what stood still after it was late counts all of its open time', async t => {
  const inbox = await openInbox()
  await inbox.promise({ first: null, next: null, targets: { resolution: { seconds: 600 } } })
  await inbox.deliver(await inbox.addChannel(), [message('m-1', '09:00:00')], at('09:00:00'))
  const { id } = await inbox.only('conversations')
  const change = async (status: 'pending' | 'open' | 'resolved', time: string) => {
    const { version } = await inbox.only('conversations')
    await inbox.run(trx => changeConversation(trx, id, { status }, version, inbox.agent, at(time)))
  }
  await change('pending', '09:20:00')
  await change('open', '11:20:00')
  await change('resolved', '11:30:00')
  const { rows } = await summaryAt(inbox, at('12:00:00'))
  has(t, rows, [{ met: 0, breached: 1, calendar_mean_seconds: 9000, business_mean_seconds: 1800 }])
})

t.test('owner and team are whose it was at the outcome; what is open or cancelled is nobody’s', async () => {
  const inbox = await openInbox()
  await inbox.promise({ first: 600, next: 600 })
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:00'))
  const { id } = await inbox.only('conversations')
  const give = (from: string | null, to: string | null, time: string) =>
    inbox.run(trx => assignConversation(trx, id, { from, to }, inbox.agent, at(time)))
  await give(null, inbox.agent.id, '09:01:00')
  const byPerson = async (time: string) =>
    (await summaryAt(inbox, at(time), { group_by: ['user_id'] })).rows.map(({ user_id, open, breached }) => ({
      ...{ user_id, open, breached },
    }))
  t.same(await byPerson('09:05:00'), [{ user_id: null, open: 1, breached: 0 }])
  await inbox.run(trx => breachClocks(trx, at('09:10:01'), 10))
  await give(inbox.agent.id, null, '09:11:00')
  t.same(await byPerson('09:12:00'), [{ user_id: inbox.agent.id, open: 0, breached: 1 }])
})

t.test(
  'a clock is in the period in which it started, fell due or was fulfilled, and counts once for each of its tags',
  async () => {
    const inbox = await openInbox()
    await inbox.promise({ first: 3600, next: null })
    await inbox.deliver(await inbox.addChannel(), [message('m-1', '09:00:00')], at('09:00:00'))
    const { id } = await inbox.only('conversations')
    for (const name of ['late', 'lost'])
      await inbox.run(trx => tagConversation(trx, id, name, inbox.agent, at('09:01:00')))
    await inbox.send(await inbox.reply(id, at('09:30:00')), at('09:30:00'))
    const hours = async (cohort: SlaCohort) =>
      (await summaryAt(inbox, at('12:00:00'), { cohort, interval: 'hour', time_zone: 'Asia/Kathmandu' })).rows.map(
        ({ from }) => from.toISOString().slice(11, 16),
      )
    t.same(await hours('started'), ['08:15'])
    t.same(await hours('due'), ['09:15'])
    t.same(await hours('fulfilled'), ['09:15'])
    const { rows, names } = await summaryAt(inbox, at('12:00:00'), { group_by: ['tag_id', 'priority'] })
    t.same(rows.map(({ tag_id, priority, met }) => [names[String(tag_id)], priority, met]).sort(), [
      ['late', 'normal', 1],
      ['lost', 'normal', 1],
    ])
  },
)

t.test('what was due and not yet recorded is breached in every grouping, also by tags', async () => {
  const inbox = await openInbox()
  await inbox.promise({ first: 600, next: null })
  await inbox.deliver(await inbox.addChannel(), [message('m-1', '09:00:00')], at('09:00:00'))
  const { id } = await inbox.only('conversations')
  await inbox.run(trx => tagConversation(trx, id, 'late', inbox.agent, at('09:01:00')))
  await countAllClocks(inbox)
  for (const group_by of [[], ['tag_id'], ['policy_id', 'channel_id', 'post_id', 'priority']] as const) {
    const due = await summaryAt(inbox, at('09:10:00'), { group_by: [...group_by] })
    has(t, due.rows, [{ attainment: null, breached: 0, open: 1 }], 'this very millisecond it can still be met')
    const { rows } = await summaryAt(inbox, new Date(at('09:10:00').getTime() + 1), { group_by: [...group_by] })
    has(t, rows, [{ attainment: 0, breached: 1, open_overdue: 1, open: 0 }])
  }
})
