import { readFileSync } from 'node:fs'
import { BATCH_ACTIONS, ITEM_RESULTS } from '@parley/domain'
import t from 'tap'
import { workBatches } from './batches.ts'
import { work } from './comments.ts'
import { follow } from './doc-examples.ts'
import { addChannel, BEARER_SECRET, type Json, testApi } from './helper.ts'

const page = readFileSync(new URL('../../../docs/moderation.md', import.meta.url), 'utf8')

t.test('the requests of the page about moderation are answered as it says', async t => {
  const api = await testApi(t)
  const channel = await addChannel(api)
  const events = ['Thank you!', 'thank you', 'THANK YOU'].map((text, index) => ({
    type: 'message.received',
    data: {
      external_id: `comment-${index}`,
      kind: 'comment',
      author: { platform_id: `customer-${index}` },
      text,
      created_at: new Date(api.clock.now.getTime() - 60_000).toISOString(),
      post: { external_id: 'post-9' },
    },
  }))
  await api.call('POST', `/hooks/${channel.id}`, { events }, { authorization: `Bearer ${BEARER_SECRET}` })
  await work(api, api.ours, channel.id)
  const [post] = (await api.call('GET', '/v1/posts')).body.data
  const [group] = (await api.call('GET', `/v1/posts/${post.id}/storm`)).body.groups
  const message_id = group.messages[0].message_id
  const values: Record<string, string> = { post_id: post.id, fingerprint: group.fingerprint, message_id }
  const after = {
    'POST /v1/messages/bulk': async ({ id, action }: Json) => {
      values[action === 'dismiss' ? 'batch_id' : 'hiding_id'] = id
      await workBatches(api)
      // The list has the latest first.
      api.clock.now = new Date(api.clock.now.getTime() + 1_000)
    },
  }
  const answers = await follow(t, api, page, values, {}, after)
  const [dismissal, hiding, read, refused, rejected, list, undo] = answers
  t.match(dismissal, { state: 'running', total: 3, counts: { pending: 3, done: 0 }, more: false, undone_by: null })
  t.match(dismissal.selection, { post_id: post.id, fingerprint: group.fingerprint, up_to: message_id })
  t.match(hiding, { total: 1, selection: null, network: {} })
  t.match(read, { state: 'finished', counts: { pending: 0, done: 3, unchanged: 0, refused: 0 } })
  t.same(refused, { data: [], next_cursor: null })
  t.same(rejected.data, [], 'this account cannot hide anything, so nothing was queued')
  t.match(list.data, [{ id: values.hiding_id, counts: { refused: 1 } }, { id: values.batch_id }])
  t.match(undo, { action: 'undismiss', undoes: values.batch_id, total: 3, state: 'running' })
})

t.test('the page names every action and every result', async t => {
  for (const word of [...BATCH_ACTIONS, ...ITEM_RESULTS]) t.ok(page.includes(`\`${word}\``), word)
})
