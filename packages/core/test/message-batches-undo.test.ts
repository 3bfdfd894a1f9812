import { dismissMessage, undismissMessage } from '@parley/core'
import type { Message } from '@parley/db'
import { type BatchAction, DomainError } from '@parley/domain'
import fc from 'fast-check'
import t from 'tap'
import { moderation } from './batches.ts'
import { at, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)
const NAMES = ['a', 'b', 'c']
type Action = Exclude<BatchAction, 'delete' | 'like' | 'unlike'>

const action = fc.constantFrom<Action>('dismiss', 'undismiss', 'hide', 'unhide')
/** What somebody does to one message, and what the network says to what is queued by then. */
const step = fc.record({
  name: fc.constantFrom(...NAMES),
  action,
  network: fc.constantFrom('sent', 'rejected', 'silent'),
})
const steps = fc.array(step, { maxLength: 3 })
const isDismissal = (one: Action) => one === 'dismiss' || one === 'undismiss'

async function world() {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  await inbox.deliver(
    channel,
    NAMES.map(name => message(name, '09:00:00', { thread_key: name })),
    at('09:00:01'),
  )
  const moderated = moderation(inbox)
  let minute = 0
  const clock = () => {
    minute += 1
    return `10:${String(minute).padStart(2, '0')}:00`
  }
  const answer = async (network: string) => {
    if (network !== 'silent') await moderated.network(clock(), network as 'sent')
  }
  /** Returns whether anything came of it. */
  const doOne = async ({ name, action, network }: { name: string; action: Action; network: string }) => {
    const { id: message_id, conversation_id, dismissed_at } = await moderated.find(name)
    if (action === 'hide' || action === 'unhide') await moderated.queue(name, action, clock())
    else if ((dismissed_at !== null) === (action === 'dismiss')) return false
    else {
      const ids = { conversation_id, message_id }
      const now = at(clock())
      const dismissal = { reason: `Of ${name}`, as: 'no_reply_needed' } as const
      const done = inbox.run<unknown>(trx =>
        action === 'dismiss'
          ? dismissMessage(trx, ids, dismissal, inbox.agent, now)
          : undismissMessage(trx, ids, inbox.agent, now),
      )
      // Of what is hidden nobody has to answer anything: there is nothing to dismiss.
      const refused = (error: unknown) => error instanceof DomainError && error.code === 'conflict'
      if (!(await done.then(() => true).catch(error => refused(error) || Promise.reject(error)))) return false
    }
    await answer(network)
    return true
  }
  return { ...moderated, inbox, clock, answer, doOne }
}

/** What a batch with that action may change of a message. */
const aspect = (of: Action, { dismissed_reason, hidden_at }: Message) =>
  isDismissal(of) ? dismissed_reason : hidden_at !== null

t.test(
  'taken back, a batch leaves what nobody touched as it was before, and what somebody did as they left it',
  async t => {
    await fc.assert(
      fc.asyncProperty(
        steps,
        action,
        fc.subarray(NAMES, { minLength: 1 }),
        fc.constantFrom('sent', 'silent'),
        steps,
        async (before, of, names, network, after) => {
          const { act, undo, idsOf, find, clock, answer, doOne, results, network: takeAll } = await world()
          const stateOf = async () =>
            new Map(await Promise.all(NAMES.map(async name => [name, aspect(of, await find(name))] as const)))
          for (const one of before) await doOne(one)
          // Only what is settled can be compared with what it is in the end.
          await takeAll(clock())
          const was = await stateOf()
          const order = {
            action: of,
            message_ids: await idsOf(...names),
            ...(of === 'dismiss' && { reason: 'Of all' }),
          }
          const batch = await act(order, clock())
          const came = await results(batch)
          await answer(network)
          const touched = new Set<string>()
          for (const one of after.filter(one => isDismissal(one.action) === isDismissal(of))) {
            if (await doOne({ ...one, network: 'silent' })) touched.add(one.name)
          }
          const left = await stateOf()
          const undone = await undo(batch, clock())
          const back = await results(undone)
          await takeAll(clock())
          // What was queued for one message goes out one by one.
          for (let index = 0; index < after.length + 1; index += 1) await takeAll(clock())
          const now = await stateOf()
          for (const name of NAMES) {
            const theirs = touched.has(name)
            if (came[name] !== 'done') {
              t.notOk(name in back, `${name} was not changed by the batch`)
              if (!theirs) t.equal(now.get(name), was.get(name), `${name}: untouched`)
            } else if (theirs) {
              t.equal(back[name], 'changed_since', `${name} is somebody's`)
              if (isDismissal(of)) t.equal(now.get(name), left.get(name))
            } else {
              t.equal(back[name], 'done', `${name} is taken back`)
              t.equal(now.get(name), was.get(name), `${name}: as before`)
            }
          }
        },
      ),
      { numRuns: 12 },
    )
  },
)
