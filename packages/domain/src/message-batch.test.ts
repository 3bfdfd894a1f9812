import fc from 'fast-check'
import t from 'tap'
import {
  BATCH_ACTIONS,
  type BatchVerb,
  isAlready,
  isNetworkAction,
  type LedgerAction,
  type MessageMarks,
  oppositeOf,
  verbsBeside,
  wayBack,
} from './message-batch.ts'

const when = (minute: number) => new Date(Date.UTC(2026, 2, 2, 9, minute))
const NO_MARKS: MessageMarks = { hidden_at: null, liked_at: null, deleted_at: null }
const action = (fields: Partial<LedgerAction> = {}): LedgerAction => ({
  ...{ id: 'a', verb: 'hide', state: 'sent', created_at: when(1), done_at: when(2), next_attempt_at: null },
  ...fields,
})
const queued = (fields: Partial<LedgerAction> = {}) =>
  action({ state: 'queued', done_at: null, next_attempt_at: when(1), ...fields })

t.test('what takes an action back is taken back by it; nothing takes back a deletion', async t => {
  for (const one of BATCH_ACTIONS) {
    const other = oppositeOf(one)
    if (one === 'delete') t.equal(other, undefined)
    else t.equal(oppositeOf(other!), one)
    if (!isNetworkAction(one)) continue
    t.same(new Set(verbsBeside(one)), new Set(other ? [one, other] : [one]))
  }
})

t.test('a message is already as it is to be by its mark, or by what is on its way', async t => {
  const hidden = { ...NO_MARKS, hidden_at: when(0) }
  t.ok(isAlready('hide', hidden, undefined))
  t.notOk(isAlready('unhide', hidden, undefined))
  t.notOk(isAlready('hide', NO_MARKS, undefined))
  t.ok(isAlready('unlike', hidden, undefined), 'it was never liked')
  t.ok(isAlready('hide', NO_MARKS, queued()))
  t.notOk(isAlready('hide', hidden, queued({ verb: 'unhide' })), 'it will be shown')
  const lost = action({ state: 'unknown', verb: 'unhide', done_at: null })
  t.ok(isAlready('hide', hidden, lost), 'of what nobody knows the end the mark decides')
  t.ok(isAlready('hide', hidden, action({ done_at: when(0) })))
  t.ok(isAlready('delete', { ...NO_MARKS, deleted_at: when(0) }, undefined))
})

t.test('what a batch did is taken back according to how far it has come', async t => {
  const hidden = { ...NO_MARKS, hidden_at: when(2) }
  const later = action({ id: 'b', verb: 'unhide', created_at: when(3) })
  const back = (own: LedgerAction, marks = NO_MARKS, latest: LedgerAction | undefined = own) =>
    wayBack('hide', own, marks, latest)
  t.equal(back(queued()), 'cancel')
  t.equal(back(queued({ state: 'sending' })), 'reverse')
  t.equal(back(queued({ state: 'unknown' })), 'reverse', 'it may have been hidden')
  t.equal(back(action(), hidden), 'reverse')
  t.equal(back(action(), { ...NO_MARKS, hidden_at: when(5) }), 'changed_since')
  t.equal(back(action()), 'changed_since', 'somebody has shown it')
  t.equal(back(action(), hidden, later), 'changed_since')
  t.equal(wayBack('hide', action({ state: 'rejected' }), NO_MARKS, undefined), 'nothing')
  t.equal(wayBack('hide', action({ state: 'cancelled' }), NO_MARKS, undefined), 'changed_since')
  const shown = action({ verb: 'unhide' })
  t.equal(wayBack('unhide', shown, NO_MARKS, shown), 'reverse')
  t.equal(wayBack('unhide', shown, hidden, shown), 'changed_since')
})

t.test('what a batch took back before it went out is done after all, unless somebody acted since', async t => {
  const cancelled = action({ state: 'cancelled', created_at: when(3), done_at: null })
  const earlier = action({ id: 'b', created_at: when(1) })
  const later = action({ id: 'b', created_at: when(5) })
  t.equal(wayBack('unhide', cancelled, NO_MARKS, undefined), 'reverse')
  t.equal(wayBack('unhide', cancelled, NO_MARKS, earlier), 'reverse')
  t.equal(wayBack('unhide', cancelled, NO_MARKS, later), 'changed_since')
  t.equal(wayBack('unhide', queued(), NO_MARKS, undefined), 'changed_since', 'it is queued again')
})

t.test('whatever people do in any order, a way back undoes the batch or leaves the message to them', async () => {
  const verb = fc.constantFrom<BatchVerb>('hide', 'unhide')
  const step = fc.record({ verb, end: fc.constantFrom('sent', 'rejected', 'cancelled', 'queued') })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 4 }), verb, fc.array(step, { maxLength: 4 }), (before, did, after) => {
      const ledger: LedgerAction[] = []
      let marks = NO_MARKS
      const run = (steps: typeof before) => {
        for (const { verb, end } of steps) {
          const minute = ledger.length * 2
          const done_at = end === 'sent' ? when(minute + 1) : null
          const id = String(ledger.length)
          ledger.push(action({ id, verb, state: end as 'sent', created_at: when(minute), done_at }))
          if (end === 'sent') marks = { ...marks, hidden_at: verb === 'hide' ? done_at : null }
        }
      }
      // Only what was asked for last can still be queued.
      run(before.map(one => ({ ...one, end: one.end === 'queued' ? 'sent' : one.end })))
      const was = marks.hidden_at !== null
      run([{ verb: did, end: 'sent' }])
      const own = ledger.at(-1)!
      run(after)
      const latest = ledger.findLast(({ state }) => state !== 'rejected' && state !== 'cancelled')
      const way = wayBack(did, own, marks, latest)
      const touched = after.some(({ end }) => end === 'sent' || end === 'queued')
      // Where nobody has acted since, the opposite brings back what was, if the batch changed it.
      const reversed = oppositeOf(did) === 'hide'
      const changed = was !== (did === 'hide')
      return touched ? way === 'changed_since' : way === 'reverse' && (!changed || reversed === was)
    }),
  )
})
