import t from 'tap'
import { type HealthFacts, judgeChannelHealth } from './channel-health.ts'

const NOW = new Date('2026-03-02T12:00:00Z')
const minutesAgo = (minutes: number) => new Date(NOW.getTime() - minutes * 60_000)

const WELL: HealthFacts = {
  status: 'active',
  status_reason: null,
  oldest_pending_at: null,
  parked: 0,
  ingest_p50_ms: null,
  next_poll_at: null,
  poll_failures: 0,
  resume_at: null,
  send_resume_at: null,
}
const judge = (facts: Partial<HealthFacts>) => {
  const { health, reasons } = judgeChannelHealth({ ...WELL, ...facts }, NOW)
  return [health, ...reasons.map(({ code }) => code)]
}

t.test('a channel that does its work is healthy, whatever it waits for that is not late', async t => {
  t.same(judge({}), ['healthy'])
  const busy = { oldest_pending_at: minutesAgo(0.9), ingest_p50_ms: 29_999, poll_failures: 2 }
  t.same(judge({ ...busy, next_poll_at: minutesAgo(9), resume_at: NOW }), ['healthy'])
})

t.test('each thing that is wrong is named, and how bad it is', async t => {
  t.same(judge({ status: 'disabled' }), ['failing', 'disabled'])
  t.same(judge({ status: 'paused' }), ['degraded', 'paused'])
  t.same(judge({ oldest_pending_at: minutesAgo(1) }), ['degraded', 'ingest_behind'])
  t.same(judge({ oldest_pending_at: minutesAgo(10) }), ['failing', 'ingest_stuck'])
  t.same(judge({ ingest_p50_ms: 30_000 }), ['degraded', 'ingest_slow'])
  t.same(judge({ poll_failures: 3 }), ['degraded', 'poll_failing'])
  t.same(judge({ poll_failures: 10 }), ['failing', 'poll_failing'])
  t.same(judge({ resume_at: minutesAgo(-1) }), ['degraded', 'rate_limited'])
  t.same(judge({ send_resume_at: minutesAgo(-1) }), ['degraded', 'sends_waiting'])
  t.same(judge({ send_resume_at: minutesAgo(1) }), ['healthy'])
  t.same(judge({ next_poll_at: minutesAgo(10) }), ['failing', 'poll_overdue'])
  t.same(judge({ parked: 1 }), ['degraded', 'parked'])
})

t.test('the worst decides, and everything is told, the worst first', async t => {
  const facts = { parked: 2, oldest_pending_at: minutesAgo(60), resume_at: minutesAgo(-5) }
  t.same(judge(facts), ['failing', 'ingest_stuck', 'rate_limited', 'parked'])
})

t.test('a channel that rests is not blamed for resting', async t => {
  const facts = { oldest_pending_at: minutesAgo(600), next_poll_at: minutesAgo(600), poll_failures: 4 }
  t.same(judge({ ...facts, status: 'paused' }), ['degraded', 'paused'])
  t.same(judge({ next_poll_at: minutesAgo(60), resume_at: minutesAgo(-5) }), ['degraded', 'rate_limited'])
  t.same(judge({ next_poll_at: minutesAgo(60), status: 'disabled' }), ['failing', 'disabled'])
})

t.test('a reason says what happened and what can be done', async t => {
  const details = (facts: Partial<HealthFacts>) =>
    judgeChannelHealth({ ...WELL, ...facts }, NOW).reasons.map(({ detail }) => detail)
  t.match(details({ status: 'disabled', status_reason: 'Token revoked.' }), [
    /Connect the account again.*Token revoked\./,
  ])
  t.match(details({ status: 'disabled' }), [/Connect the account again\.$/])
  t.match(details({ oldest_pending_at: minutesAgo(1) }), [/waited for a minute/])
  t.match(details({ oldest_pending_at: minutesAgo(12) }), [/waited for 12 minutes.*worker with the queue ingest/])
  t.match(details({ poll_failures: 3, status_reason: '503' }), [/3 times\. The last time: 503$/])
  t.match(details({ poll_failures: 3 }), [/3 times\.$/])
  t.match(details({ next_poll_at: minutesAgo(11) }), [/11 minutes ago.*worker with the queue poll/])
  t.match(details({ ingest_p50_ms: 45_200 }), [/45 s/])
  t.match(details({ resume_at: minutesAgo(-1) }), [/2026-03-02T12:01:00\.000Z/])
})
