import { checkClocks, clearFlag, flagMessage, warnClocks } from '@parley/core'
import { listClockEvents, listClocksOf, type SlaClock, type Trx } from '@parley/db'
import t from 'tap'
import { isPromised, type PolicyClock, promiseOf } from '../src/sla/promises.ts'
import type { LoggedEvent } from '../src/sla/self-check/logged-events.ts'
import { recomputeClocks } from '../src/sla/self-check/recompute-clocks.ts'
import { at, CONNECTED, deletion, message, openInboxes, setStatus } from './inbox.ts'

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
    { top_level_since: at('09:00:00') },
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
  t.same(await erring(({ stored }) => void stored.pop()), ['log id'])
  const { inbox, resolution, found } = await lateAnswer()
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
async function erring(
  change: (rows: { events: LoggedEvent[]; stored: SlaClock[] }) => void,
  open: () => Promise<Pick<Awaited<ReturnType<typeof lateAnswer>>, 'inbox' | 'id'> & { now?: Date }> = lateAnswer,
) {
  const { inbox, id, now = at('11:00:00') } = await open()
  return inbox.run(async trx => {
    const events = (await listClockEvents(trx, [id], 1000)) as LoggedEvent[]
    const stored = await listClocksOf(trx, [id])
    const promise = await promiseOf(trx, stored.find(isPromised)!)
    change({ events, stored })
    const given = { events, stored, promiseOf: () => promise, connectedAt: () => CONNECTED, now }
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

/** What Ana wrote can be answered until eleven, and was flagged for twenty minutes. */
async function flaggedWindow() {
  const inbox = await openInbox()
  const targets = { moderation: { seconds: 3600, warn_before_seconds: [3000] } }
  await inbox.promise({ top_level_reply_answers_all: true, targets })
  const channel = await inbox.addChannel()
  const asked = message('m-1', '09:00:00', { reply_until: at('11:00:00.250').toISOString() })
  await inbox.deliver(channel, [asked], at('09:00:01'))
  const { id: message_id, conversation_id: id } = await inbox.only('messages')
  await inbox.run(trx => flagMessage(trx, message_id, 'Insults', inbox.agent, at('09:10:00')))
  for (const time of ['09:00:01', '09:20:00', '09:25:00']) await inbox.run(trx => warnClocks(trx, at(time), 10))
  await inbox.run(trx => clearFlag(trx, message_id, inbox.agent, at('09:30:00')))
  const deleted = () => inbox.deliver(channel, [deletion('m-1', '09:40:00')], at('09:40:00'))
  const check = () => inbox.run(trx => checkClocks(trx, id, at('09:45:00')))
  const clock = async (metric: string) => (await inbox.everything('sla_clocks')).find(one => one.metric === metric)!
  return { inbox, id, now: at('09:45:00'), deleted, check, clock }
}

t.test('clocks of flags and of windows that were written otherwise than is told differ', async t => {
  const tampered: [string, Partial<SlaClock>, string[]][] = [
    ['moderation', { message_id: '01890000-0000-7000-8000-000000000000' }, ['log message_id']],
    ['moderation', { fulfilled_at: at('09:29:00') }, ['log fulfilled_at']],
    ['moderation', { warnings: [3000] }, ['figures warnings']],
    ['network_window', { due_at: at('11:00:00') }, ['log due_at']],
    ['network_window', { message_id: '01890000-0000-7000-8000-000000000000' }, ['log message_id']],
    ['network_window', { ordinal: 2 }, ['log ordinal']],
    ['network_window', { warn_at: at('09:00:00') }, ['figures warn_at']],
    ['first_response', { top_level_since: null }, ['log top_level_since']],
  ]
  for (const [metric, change, differences] of tampered) {
    const { inbox, check, clock } = await flaggedWindow()
    t.same((await check()).differences, [])
    const { id } = await clock(metric)
    await inbox.run(trx => trx.updateTable('sla_clocks').set(change).where('id', '=', id).execute())
    const found = (await check()).differences.map(({ level, field }) => `${level} ${field}`)
    t.same(found, differences, `${metric} ${Object.keys(change)}`)
  }
})

t.test(
  'a flag has its clock from when it was put to when it was taken off, and a window is what its message told',
  async t => {
    const erred = (change: (events: LoggedEvent[]) => unknown) =>
      erring(({ events }) => void change(events), flaggedWindow)
    const without = (type: string) =>
      erred(events => events.splice(0, events.length, ...events.filter(event => event.type !== type)))
    t.same(await erred(() => {}), [])
    t.same(await without('message.flagged'), ['cause started_at'])
    t.same(await without('message.flag_cleared'), ['cause fulfilled_at'])
    const told = (reply_until: string | undefined) =>
      erred(events => {
        for (const { type, data } of events) if (type === 'message.received') Object.assign(data, { reply_until })
      })
    t.same(await told(at('12:00:00').toISOString()), ['cause due_at', 'cause due_at'], 'at the start, and now')
    t.same(await told(undefined), ['cause started_at', 'cause due_at'])
    const promised = await erring(({ events, stored }) => {
      const top_level_since = at('09:05:00')
      Object.assign(stored.find(({ metric }) => metric === 'first_response')!, { top_level_since })
      for (const event of events.filter(of('sla.started', 'first_response')))
        event.data.top_level_since = top_level_since.toISOString()
    }, flaggedWindow)
    t.same(promised, ['figures top_level_since'])
  },
)

t.test('what goes on although its message is deleted, or its flag is taken off, differs', async t => {
  const { inbox, id, check, clock, deleted } = await flaggedWindow()
  await deleted()
  t.same((await check()).differences, [])
  const goesOn = async (metric: string, type: string) => {
    const { id: clock_id } = await clock(metric)
    return inbox.run(async trx => {
      const all = (await listClockEvents(trx, [id], 1000)) as LoggedEvent[]
      const events = all.filter(event => !(event.type === type && event.data.clock_id === clock_id))
      const open = { state: 'running' as const, fulfilled_at: null, cancelled_at: null, cancelled_reason: null }
      const rest = { fulfilled_by_message_id: null, owner_id: null }
      const stored = (await listClocksOf(trx, [id])).map(row =>
        row.id === clock_id ? { ...row, ...open, ...rest } : row,
      )
      const promise = await promiseOf(trx, stored.find(isPromised)!)
      const given = { events, stored, promiseOf: () => promise, connectedAt: () => CONNECTED, now: at('09:45:00') }
      return recomputeClocks(given, id).map(({ level, field, recomputed }) => `${level} ${field} ${recomputed}`)
    })
  }
  t.same(await goesOn('network_window', 'sla.cancelled'), ['cause state null'])
  t.same(await goesOn('moderation', 'sla.fulfilled'), ['cause state fulfilled'])
})
