import { randomUUID } from 'node:crypto'
import { cancelAction, takeActionTask } from '@parley/core'
import { has } from '@parley/testing'
import { sql } from 'kysely'
import t from 'tap'
import { moderation } from './batches.ts'
import { at, type Inbox, message, openInboxes } from './inbox.ts'

const { openInbox } = await openInboxes(t)

/** Three comments in threads of their own. */
async function comments(verbs?: Parameters<typeof moderation>[1]) {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  for (const name of ['a', 'b', 'c']) {
    await inbox.deliver(channel, [message(name, '09:00:00', { thread_key: name })], at('09:00:01'))
  }
  const moderated = moderation(inbox, verbs)
  const hideAll = async () => moderated.act({ action: 'hide', message_ids: await moderated.idsOf('a', 'b', 'c') })
  return { inbox, channel, ...moderated, hideAll, hidden: () => moderated.those(({ hidden_at }) => hidden_at) }
}

/** A post on which everything was said. */
const postOf = (inbox: Inbox, channel_id: string) =>
  inbox.run(async trx => {
    const stamps = { first_seen_at: at('09:00:00'), last_message_at: at('09:00:00') }
    const post = { id: randomUUID(), channel_id, external_id: 'post', kind: 'own' as const, ...stamps }
    await trx.insertInto('posts').values(post).execute()
    await trx.updateTable('conversations').set({ post_id: post.id }).execute()
    await sql`insert into post_messages (message_id, post_id, contact_id, at, fingerprint)
      select id, ${post.id}, contact_id, occurred_at, ${FINGERPRINT} from messages`.execute(trx)
    return post
  })
const FINGERPRINT = '0123456789abcdef'

t.test('what goes to the network is queued once, and what the network said is read from there', async t => {
  const { inbox, hideAll, items, actions, network, hidden, log } = await comments()
  const batch = await hideAll()
  has(t, batch, { state: 'finished', done: 3 })
  const queued = await actions()
  t.same(
    queued.map(({ verb, state, batch_id, actor_id }) => ({ verb, state, batch_id, actor_id })),
    Array.from({ length: 3 }, () => {
      return { verb: 'hide', state: 'queued', batch_id: batch.id, actor_id: inbox.agent.id }
    }),
  )
  await network('10:00:02', 'rejected')
  for (const item of await items(batch)) {
    has(t, item, { result: 'done', verb: 'hide', action_state: 'rejected', action_state_reason: 'No.' })
  }
  t.same(await hidden(), [])
  for (const type of ['action.queued', 'action.rejected']) {
    const told = await log(type)
    t.equal(told.length, 3)
    for (const { data } of told) t.match(data, { batch_id: batch.id })
  }
})

t.test('what is so, or will be, is unchanged; what an account cannot do is refused with the reason', async t => {
  const { idsOf, act, queue, network, results, items } = await comments(['hide', 'unhide'])
  await queue('a', 'hide', '09:30:00')
  await network('09:30:01')
  await queue('b', 'hide', '09:31:00')
  const message_ids = await idsOf('a', 'b', 'c')
  const hidden = await act({ action: 'hide', message_ids })
  t.same(await results(hidden), { a: 'unchanged', b: 'unchanged', c: 'done' })
  const shown = await act({ action: 'unhide', message_ids })
  t.same(await results(shown), { a: 'done', b: 'done', c: 'done' }, 'each behind what is queued for it')
  const liked = await act({ action: 'like', message_ids })
  t.same(await results(liked), { a: 'action_refused', b: 'action_refused', c: 'action_refused' })
  t.match((await items(liked))[0], { detail: /no way to like/, verb: null })
})

t.test('taken back, what is still queued does not go out, and what went out is reversed', async t => {
  const { hideAll, undo, inbox, actions, network, hidden, results, items, log, part, make, idsOf } = await comments()
  const queued = await hideAll()
  const cancelled = await undo(queued)
  has(t, cancelled, { action: 'unhide', done: 3 })
  t.same(new Set((await actions()).map(({ verb, state }) => `${verb} ${state}`)), new Set(['hide cancelled']))
  for (const item of await items(cancelled)) has(t, item, { verb: 'hide', action_state: 'cancelled' })
  for (const { data } of await log('action.cancelled')) t.match(data, { batch_id: cancelled.id })
  await network('10:20:00')
  t.same(await hidden(), [])
  // Taken back again, it is hidden after all.
  const hiddenAgain = await undo(cancelled, '10:30:00')
  await network('10:31:00')
  t.equal((await hidden()).length, 3)
  const shown = await undo(hiddenAgain, '10:40:00')
  t.same(await results(shown), { a: 'done', b: 'done', c: 'done' })
  await network('10:41:00')
  t.same(await hidden(), [])
  const liking = await make({ action: 'like', message_ids: await idsOf('a') }, '10:50:00')
  await part(liking.id, '10:50:00')
  const ids = (await actions()).at(-1)!
  await inbox.run(trx => cancelAction(trx, { ...ids, action_id: ids.id }, inbox.agent, at('10:51:00')))
  t.same(await results(await undo(liking, '10:52:00')), { a: 'changed_since' }, 'somebody took that one back')
})

t.test('what the network refused is left alone, and what somebody did since is theirs', async t => {
  const { hideAll, undo, queue, network, results, hidden, find, actions } = await comments()
  const batch = await hideAll()
  await network('10:00:02')
  await queue('a', 'unhide', '10:05:00')
  await network('10:05:01')
  await queue('a', 'hide', '10:06:00')
  await network('10:06:01')
  await queue('b', 'unhide', '10:07:00')
  const undone = await undo(batch)
  t.same(await results(undone), { a: 'changed_since', b: 'changed_since', c: 'done' })
  await network('10:11:00')
  t.same(await hidden(), ['a'])
  has(t, await find('a'), { hidden_at: at('10:06:01') })
  const refused = await hideAll()
  await network('10:12:00', 'rejected')
  const before = (await actions()).length
  t.same(await results(await undo(refused, '10:20:00')), { b: 'unchanged', c: 'unchanged' })
  t.equal((await actions()).length, before)
})

t.test('what is on its way is reversed behind it', async t => {
  const { inbox, act, idsOf, undo, actions, network, those } = await comments()
  const liked = await act({ action: 'like', message_ids: await idsOf('a') })
  const [action] = await actions()
  await inbox.run(trx => takeActionTask(trx, action!.id, at('10:00:02')))
  await undo(liked, '10:00:03')
  t.same(
    (await actions()).map(({ verb, state }) => `${verb} ${state}`),
    ['like sending', 'unlike queued'],
  )
  // The worker that began with it has died; its turn comes again.
  await network('10:05:00')
  await network('10:05:01')
  t.same(await those(({ liked_at }) => liked_at), [])
  t.same(
    (await actions()).map(({ state }) => state),
    ['sent', 'sent'],
  )
})

t.test('of a storm no more is queued than the network has room for, and the rest follows', async t => {
  const inbox = await openInbox()
  const channel = await inbox.addChannel()
  const storm = Array.from({ length: 520 }, (_, index) => message(`m-${index}`, '09:00:00', { thread_key: `${index}` }))
  await inbox.deliver(channel, storm, at('09:00:01'))
  const { make, part, goOn, idsOf, actions } = moderation(inbox)
  const { id: post_id } = await postOf(inbox, channel.id)
  const batch = await make({ action: 'like', post_id })
  has(t, await goOn(batch, '10:00:01', 200), { state: 'running', total: 520, done: 500 })
  t.equal((await part(batch.id, '10:00:02')).ended, 'waiting')
  const others = await goOn(await make({ action: 'hide', message_ids: await idsOf('m-1') }))
  has(t, others, { state: 'finished', done: 1 }, 'other batches go on')
  const [first, second] = await actions()
  for (const { id } of [first!, second!]) {
    await inbox.run(trx => takeActionTask(trx, id, at('10:00:03')))
    t.equal((await part(batch.id, '10:00:03')).ended, 'waiting', 'what is on its way counts')
  }
  await inbox.run(trx =>
    trx
      .updateTable('message_actions')
      .set({ state: 'sent', next_attempt_at: null })
      .where('verb', '=', 'like')
      .execute(),
  )
  has(t, await goOn(batch, '10:00:04'), { state: 'finished', done: 520 })
})

t.test('workers that are at the same batches at once do each message once', async t => {
  const { make, part, idsOf, actions, read, log } = await comments()
  const message_ids = await idsOf('a', 'b', 'c')
  const batches = [
    await make({ action: 'like', message_ids }),
    await make({ action: 'dismiss', reason: 'x', message_ids }),
    await make({ action: 'hide', message_ids }),
  ]
  const worker = async () => {
    for (let ended = 1; ended > 0; ) {
      ended = 0
      for (const { id } of batches) {
        await part(id, '10:00:01', 1)
        if ((await read({ id })).state === 'running') ended += 1
      }
    }
  }
  await Promise.all([worker(), worker(), worker(), worker()])
  t.equal((await actions()).length, 6)
  t.equal((await log('message.dismissed')).length, 3)
  t.equal((await log('message_batch.finished')).length, 3)
})
