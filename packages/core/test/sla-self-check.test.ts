import { checkClocks } from '@parley/core'
import { listClockEvents, listClocksOf, type SlaClock, type Trx } from '@parley/db'
import t from 'tap'
import { type PolicyClock, promiseOf } from '../src/sla/promises.ts'
import type { LoggedEvent } from '../src/sla/self-check/logged-events.ts'
import { recomputeClocks } from '../src/sla/self-check/recompute-clocks.ts'
import { at, CONNECTED, message, openInboxes, setStatus } from './inbox.ts'

const { openInbox } = await openInboxes(t)

/** Ana was answered late; before and after that the conversation stood still, for seventy minutes. */
async function lateAnswer() {
  const inbox = await openInbox()
  const targets = { resolution: { seconds: 4 * 3600, pauses_in: ['pending' as const] } }
  await inbox.promise({ first: 1800, targets })
  const channel = await inbox.addChannel()
  await inbox.deliver(channel, [message('m-1', '09:00:00')], at('09:00:01'))
  const { id } = await inbox.only('conversations')
  await setStatus(inbox, 'pending', at('09:05:00'))
  await setStatus(inbox, 'open', at('10:05:00'))
  await inbox.send(await inbox.reply(id, at('10:10:00')), at('10:10:00'))
  await setStatus(inbox, 'open', at('10:20:00'))
  const [first, resolution] = ['first_response', 'resolution'].map(
    metric => async () => (await inbox.everything('sla_clocks')).find(clock => clock.metric === metric)!,
  ) as [() => Promise<SlaClock>, () => Promise<SlaClock>]
  const check = async (now = at('11:00:00')) => (await inbox.run(trx => checkClocks(trx, id, now))).differences
  const found = async (now?: Date) => (await check(now)).map(({ level, field }) => `${level} ${field}`)
  return { inbox, id, first: await first(), resolution: await resolution(), check, found }
}

t.test('a clock that was written otherwise than its events say differs in what was written', async t => {
  const tampered: Partial<SlaClock>[] = [
    { started_at: at('08:59:00') },
    { target_seconds: 60 },
    { state: 'cancelled' },
    { breached_at: null },
    { detected_at: at('09:00:00') },
    { fulfilled_at: at('09:29:00') },
    { fulfilled_by_message_id: null },
    { owner_id: '01890000-0000-7000-8000-000000000000' },
    { team_id: '01890000-0000-7000-8000-000000000000' },
    { counted_ms: 1 },
    { paused_ms: 1 },
    { priority: 'urgent' },
    { cancelled_reason: 'spam' },
    { cause: 'retargeted' },
    { ordinal: 7 },
  ]
  for (const change of tampered) {
    const { inbox, first, check } = await lateAnswer()
    t.same(await check(), [])
    await inbox.run(trx => trx.updateTable('sla_clocks').set(change).where('id', '=', first.id).execute())
    const [difference] = await check()
    const field = Object.keys(change)[0]!
    t.match(difference, { clock_id: first.id, level: 'log', field }, field)
    t.same(difference?.recomputed, first[field as keyof SlaClock], field)
  }
})

t.test('a clock that is gone differs, and so does one that nothing is told of', async t => {
  const { inbox, first, resolution, found } = await lateAnswer()
  const call = (id: string, other: string) =>
    inbox.run(trx => trx.updateTable('sla_clocks').set({ id: other }).where('id', '=', id).execute())
  const another = '01890000-0000-7000-8000-000000000001'
  await call(first.id, another)
  t.same(await found(), ['log id', 'log id'], 'one is gone, and one is there of which nothing is told')
  await call(another, first.id)
  t.same(await found(), [])
  const other = { ...resolution, id: '01890000-0000-7000-8000-000000000000', ordinal: 9, metric: 'assignment' as const }
  await inbox.run(trx => trx.insertInto('sla_clocks').values(other).execute())
  t.same(await found(), ['log id'])
})

t.test('a breach that nobody records differs in its time', async t => {
  const { found } = await lateAnswer()
  t.same(await found(at('14:09:00')), [])
  t.same(await found(at('14:14:00')), [], 'a tick may be on its way')
  t.same(await found(at('14:16:00')), ['figures breached_at'])
})

/** Both, as they would be of a product that errs: what is written and what is told of it are the same. */
async function erring(change: (rows: { events: LoggedEvent[]; stored: SlaClock[] }) => void) {
  const { inbox, id } = await lateAnswer()
  return inbox.run(async trx => {
    const events = (await listClockEvents(trx, [id], 1000)) as LoggedEvent[]
    const stored = await listClocksOf(trx, [id])
    const promise = await promiseOf(trx, stored[0] as PolicyClock)
    change({ events, stored })
    const given = { events, stored, promiseOf: () => promise, connectedAt: () => CONNECTED, now: at('11:00:00') }
    return recomputeClocks(given, id).map(({ level, field }) => `${level} ${field}`)
  })
}

const of = (type: string, metric: string) => (event: LoggedEvent) => event.type === type && event.data.metric === metric

t.test('figures that the log has as they are stored are counted anew', async t => {
  t.same(await erring(() => {}), [])
  const pausedForNothing = await erring(({ events, stored }) => {
    const clock = stored.find(({ metric }) => metric === 'resolution')!
    const due_at = new Date(clock.started_at.getTime() + 4 * 3_600_000)
    Object.assign(clock, { due_at })
    for (const event of events.filter(({ data }) => data.clock_id === clock.id))
      event.data.due_at = due_at.toISOString()
  })
  t.same(pausedForNothing, ['figures due_at'])
  const inTime = await erring(({ events, stored }) => {
    const clock = stored.find(({ metric }) => metric === 'first_response')!
    Object.assign(clock, { breached_at: null, detected_at: null })
    const kept = events.filter(event => !of('sla.breached', 'first_response')(event))
    kept.find(of('sla.fulfilled', 'first_response'))!.data.late = false
    events.splice(0, events.length, ...kept)
  })
  t.same(inTime, ['figures breached_at'])
})

t.test('what the log says of a clock has its cause in the log', async t => {
  const without = (type: string) =>
    erring(({ events }) => {
      const kept = events.filter(event => event.type !== type)
      events.splice(0, events.length, ...kept)
    })
  t.same(await without('message.received'), ['cause started_at', 'cause started_at'])
  t.same(await without('reply.sent'), ['cause fulfilled_at'])
  const resolved = await erring(({ events }) => {
    const last = events.filter(({ type }) => type === 'conversation.updated').at(-1)!
    events.push({ ...last, xact: '999999999', type: 'conversation.resolved', data: { status: 'resolved' } })
  })
  t.same(resolved, ['cause state'])
  const neverPending = await erring(({ events }) => {
    for (const event of events) if (event.data.status === 'pending') event.data.status = 'open'
  })
  t.same(neverPending, ['cause paused_at'], 'the first time, what it was before is not in the log')
})

t.test('a change at the very moment is no difference, as all is read in one snapshot', async t => {
  const { inbox, id } = await lateAnswer()
  const read = async (trx: Trx, meanwhile: () => Promise<void>) => {
    const events = (await listClockEvents(trx, [id], 1000)) as LoggedEvent[]
    await meanwhile()
    const stored = await listClocksOf(trx, [id])
    const promise = await promiseOf(trx, stored[0] as PolicyClock)
    const given = { events, stored, promiseOf: () => promise, connectedAt: () => CONNECTED, now: at('11:00:00') }
    return recomputeClocks(given, id)
  }
  t.same(
    await inbox.db.inSnapshot(inbox.workspace_id, trx => read(trx, () => setStatus(inbox, 'pending', at('10:30:00')))),
    [],
  )
  t.not(
    (await inbox.run(trx => read(trx, () => setStatus(inbox, 'resolved', at('10:40:00'))))).length,
    0,
    'without one it would be',
  )
})
