import { upsertPosts } from '@parley/db'
import { has, until } from '@parley/testing'
import t from 'tap'
import { work } from './comments.ts'
import { addChannel, addKey, BEARER_SECRET, type Json, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'

const api = await testApi(t)
api.clock.now = new Date('2026-04-01T12:00:00Z')
const channel = await addChannel(api)
const get = async (path: string) => {
  const { status, body, text } = await api.call('GET', path)
  if (status !== 200) throw new Error(text)
  return body
}
let comments = 0

/** Comments as the network tells of them, each by somebody else unless it says who, and in a thread of its own. */
async function receive(events: Json[], to: Json = channel) {
  const body = { events: events.map(eventOf) }
  const answer = await api.call('POST', `/hooks/${to.id}`, body, { authorization: `Bearer ${BEARER_SECRET}` })
  if (answer.status !== 202) throw new Error(answer.text)
  await work(api, api.ours, to.id)
}

function eventOf({ type = 'message.received', ...fields }: Json) {
  comments += 1
  const data = {
    external_id: `comment-${comments}`,
    kind: 'comment',
    author: { platform_id: `customer-${comments}` },
    text: `Comment ${comments}`,
    created_at: new Date(api.clock.now.getTime() - 60_000).toISOString(),
    ...fields,
  }
  return { type, data }
}

const postOf = async (external_id: string) =>
  (await get('/v1/posts?limit=100')).data.find((post: Json) => post.external_id === external_id)
const on = (external_id: string, fields: Json = {}) => ({ post: { external_id }, ...fields })

t.test('posts are listed by when somebody last wrote on them, page by page', async t => {
  const at = (minutes: number) => new Date(api.clock.now.getTime() - minutes * 60_000).toISOString()
  await receive([3, 1, 2].map(minutes => on(`page-${minutes}`, { created_at: at(minutes) })))
  await receive([on('page-3', { created_at: at(0) })])
  const path = `/v1/posts?channel_id=${channel.id}&limit=2`
  const first = await get(path)
  const second = await get(`${path}&cursor=${encodeURIComponent(first.next_cursor)}`)
  const names = [...first.data, ...second.data].map((post: Json) => post.external_id)
  t.same(names, ['page-3', 'page-1', 'page-2'])
  t.equal(second.next_cursor, null)
  t.equal((await postOf('page-3')).message_count, 2)
})

t.test('the conversations of a post are filtered, sorted and counted like any others', async t => {
  await receive([on('many'), on('many'), on('many', { from_us: false }), on('other')])
  const { id } = await postOf('many')
  const conversations = (await get(`/v1/posts/${id}/conversations?sort=urgency`)).data
  t.equal(conversations.length, 3)
  const [{ id: one, version }] = conversations
  const match = { 'if-match': `"${version}"` }
  t.equal((await api.call('PATCH', `/v1/conversations/${one}`, { status: 'resolved' }, match)).status, 200)
  t.equal((await get(`/v1/posts/${id}/conversations?status=open`)).data.length, 2)
  t.same(await get(`/v1/conversations/count?post_id=${id}&status=open`), { count: 2, at_least: false })
  const listed = (await get(`/v1/conversations?post_id=${id}&include=post&sort=oldest`)).data
  t.match(listed, [{ post: { id, external_id: 'many' } }, { post: { id } }, { post: { id } }])
  has(t, (await get(`/v1/posts/${id}`)).counts, { open: 2, unowned: 2, waiting: 3 })
  const view = await api.call('POST', '/v1/views', { name: 'Many', scope: 'workspace', filter: { post_id: id } })
  t.equal((await get(`/v1/views/${view.body.id}/conversations`)).data.length, 3)
  const nowhere = { name: 'Nowhere', scope: 'workspace', filter: { post_id: channel.id } }
  isProblem(t, await api.call('POST', '/v1/views', nowhere), 422, 'validation-failed', 'no post')
})

t.test('a post that its network deleted shows no text, whether that or the post is told first', async t => {
  const gone = (external_id: string) => ({ type: 'message.deleted', data: { external_id } })
  const post = (external_id: string) => ({ external_id, text: 'Shown no more', from_us: true })
  const remove = (external_id: string) =>
    api.call(
      'POST',
      `/hooks/${channel.id}`,
      { events: [gone(external_id)] },
      { authorization: `Bearer ${BEARER_SECRET}` },
    )
  await receive([{ post: post('gone-1') }])
  t.match(await postOf('gone-1'), { text: 'Shown no more', deleted_at: null })
  await remove('gone-1')
  await remove('gone-2')
  await receive([{ post: post('gone-2') }])
  for (const name of ['gone-1', 'gone-2']) {
    const { text, deleted_at } = await postOf(name)
    t.equal(text, null, name)
    t.ok(deleted_at, name)
  }
})

t.test('what says the same is one group, whose messages are a list of pages', async t => {
  const angry = ['Where is my order?', 'where is my order', 'WHERE IS MY ORDER 😡', 'Where is my order!!']
  const calm = ['Nice kettle', 'nice kettle!', 'A question about the lid']
  await receive([...angry, ...calm].map(text => on('storm', { text })))
  const { id } = await postOf('storm')
  const storm = await get(`/v1/posts/${id}/storm?seed=7`)
  has(t, storm, { looked_at: 7, people: 7, at_least: false, unit: 'minute' })
  t.same(
    storm.groups.map(({ count }: Json) => count),
    [4, 2],
  )
  t.equal(storm.groups[0].messages.length, 3, 'the newest three')
  t.equal(
    storm.buckets.reduce((sum: number, { count }: Json) => sum + count, 0),
    7,
  )
  t.same(await get(`/v1/posts/${id}/storm?seed=7`), storm, 'the same seed, the same sample')
  const { fingerprint } = storm.groups[0]
  const path = `/v1/posts/${id}/messages?fingerprint=${fingerprint}&limit=3`
  const first = await get(path)
  const second = await get(`${path}&cursor=${encodeURIComponent(first.next_cursor)}`)
  const bodies = [...first.data, ...second.data].map(({ body }: Json) => body)
  t.same(bodies.sort(), angry.toSorted())
  for (const bad of ['x', 'ABCDEF0123456789', ''])
    isProblem(t, await api.call('GET', `/v1/posts/${id}/messages?fingerprint=${bad}`), 422, 'validation-failed', bad)
})

t.test('an edit moves a message to another group, and a deletion takes it out', async t => {
  const said = { external_id: 'edited', author: { platform_id: 'ana' }, text: 'One' }
  await receive([on('edits', said), on('edits', { text: 'one!' }), on('edits', { text: 'Two' })])
  const { id } = await postOf('edits')
  const counts = async () => (await get(`/v1/posts/${id}/storm`)).groups.map(({ count }: Json) => count)
  t.same(await counts(), [2])
  const edited_at = api.clock.now.toISOString()
  await receive([{ type: 'message.updated', ...on('edits', { ...said, text: 'two', edited_at }) }])
  const { groups, looked_at } = await get(`/v1/posts/${id}/storm`)
  t.match([looked_at, groups[0].messages.map(({ body }: Json) => body).sort()], [3, ['Two', 'two']])
  await receive([{ type: 'message.deleted', ...said }])
  has(t, await get(`/v1/posts/${id}/storm`), { looked_at: 2, groups: [] })
})

t.test('a storm tells what triage found in it, and each of that is a list of pages', async t => {
  const broken = 'My parcel arrived broken and nobody answers me'
  const texts = [broken, broken, 'Wann kommt denn mein Paket endlich an?', 'Thank you, great job 😍', '@anna', 'Hm']
  await receive(texts.map(text => on('judged', { text })))
  const { id } = await postOf('judged')
  const { triage } = await get(`/v1/posts/${id}/storm`)
  t.match(triage, {
    judged: 6,
    questions: 1,
    sentiments: { complaint: 2, praise: 1, neutral: 3 },
    proposed_dispositions: { acknowledged: 1, no_reply_needed: 1, none: 4 },
  })
  const languages = new Map(triage.languages.map(({ language, count }: Json) => [language, count]))
  t.same([languages.get('en'), languages.get('de'), languages.get(null)], [3, 1, 2])
  const list = async (query: string) =>
    (await get(`/v1/posts/${id}/messages?${query}`)).data.map(({ body }: Json) => body).toSorted()
  t.same(await list('sentiment=complaint'), [broken, broken])
  t.same(await list('question=true&language=de'), ['Wann kommt denn mein Paket endlich an?'])
  t.equal((await list('question=false')).length, 5)
  t.same(await list('language=none'), ['@anna', 'Hm'])
  t.same(await list('proposed_disposition=no_reply_needed'), ['@anna'])
  t.equal((await list('proposed_disposition=none')).length, 4)
  t.same(await list('sentiment=complaint&question=true'), [])
  const [{ message_id, conversation_id }] = (await get(`/v1/posts/${id}/messages?sentiment=praise`)).data
  await api.call('POST', `/v1/conversations/${conversation_id}/messages/${message_id}/dismiss`, { reason: 'Thanks' })
  t.same(await list('disposition=no_reply_needed'), ['Thank you, great job 😍'])
  t.equal((await list('disposition=unhandled')).length, 5)
  const first = await get(`/v1/posts/${id}/messages?sentiment=complaint&limit=1`)
  t.match(first.data, [{ sentiment: 'complaint', language: 'en', question: false, proposed_disposition: null }])
  const second = await get(`/v1/posts/${id}/messages?sentiment=complaint&limit=1&cursor=${first.next_cursor}`)
  t.equal(second.data.length, 1)
  t.not(second.data[0].message_id, first.data[0].message_id)
  for (const bad of ['sentiment=angry', 'question=1', 'language=!', 'proposed_disposition=unhandled'])
    isProblem(t, await api.call('GET', `/v1/posts/${id}/messages?${bad}`), 422, 'validation-failed', bad)
})

t.test('an empty post has an empty storm', async t => {
  await receive([on('quiet', { from_us: true })])
  const { id } = await postOf('quiet')
  has(t, await get(`/v1/posts/${id}/storm`), {
    looked_at: 0,
    people: 0,
    from: null,
    buckets: [],
    groups: [],
    sample: [],
  })
})

t.test('around a comment stand its post, what it answers, what was said beside it and what answers it', async t => {
  const thread = (external_id: string, parent_id: string | undefined, minutes: number) =>
    on('talk', {
      ...{ external_id, parent_id, thread_id: 'talk-1' },
      created_at: new Date(api.clock.now.getTime() - minutes * 60_000).toISOString(),
    })
  await receive([
    thread('top', undefined, 30),
    thread('a', 'top', 29),
    thread('b', 'top', 28),
    thread('b-1', 'b', 27),
    thread('b-2', 'b', 26),
    thread('c', 'top', 25),
    thread('b-1-1', 'b-1', 24),
  ])
  const rows = await api.query(`select id, external_id from messages where channel_id = '${channel.id}'`)
  const idOf = (name: string) => rows.find(row => row.external_id === name).id
  const context = await get(`/v1/messages/${idOf('b')}/context`)
  const names = (views: Json[]) => views.map(view => view.external_id)
  t.match(context, { post: { external_id: 'talk' }, message: { external_id: 'b' } })
  t.same([names(context.ancestors), names(context.before), names(context.after)], [['top'], ['a'], ['c']])
  t.same(names(context.replies), ['b-1', 'b-2'])
  t.same(names((await get(`/v1/messages/${idOf('b-1-1')}/context`)).ancestors), ['top', 'b', 'b-1'])
})

t.test('messages that answer each other in a circle have an end', async t => {
  const circle = (external_id: string, parent_id: string) =>
    on('circle', { external_id, parent_id, thread_id: 'circle' })
  await receive([circle('x', 'z'), circle('y', 'x'), circle('z', 'y')])
  const [{ id }] = await api.query(`select id from messages where external_id = 'x'`)
  const { ancestors } = await get(`/v1/messages/${id}/context`)
  t.same(
    ancestors.map((view: Json) => view.external_id),
    ['y', 'z'],
  )
})

t.test('a post of an inbox that the caller does not see is not there', async t => {
  await receive([on('hidden')])
  const { id } = await postOf('hidden')
  const { key } = await addKey(api.db, api.ours.workspace_id, 'agent')
  const headers = { authorization: `Bearer ${key}` }
  t.equal((await api.call('GET', `/v1/posts/${id}`, undefined, headers)).status, 200)
  const toldOf = async () => {
    const { data } = (await api.call('GET', '/v1/events?limit=100', undefined, headers)).body
    return data.filter((event: Json) => event.type.startsWith('post.')).length
  }
  await until('the log tells of it', async () => (await toldOf()) > 0)
  await api.query(`update inboxes set open_to_all = false where id = '${api.ours.inbox_id}'`)
  for (const path of ['', '/conversations', '/messages', '/storm'])
    isProblem(t, await api.call('GET', `/v1/posts/${id}${path}`, undefined, headers), 404, 'not-found', path)
  t.same((await api.call('GET', '/v1/posts', undefined, headers)).body.data, [])
  t.equal(await toldOf(), 0, 'nor do events tell of it')
  await api.query(`update inboxes set open_to_all = true where id = '${api.ours.inbox_id}'`)
})

t.test('two that tell of the same new posts at once make one of each', async t => {
  const draft = (external_id: string) => ({
    id: crypto.randomUUID(),
    channel_id: channel.id,
    external_id,
    kind: 'unknown' as const,
    ...{ author_external_id: null, author_handle: null, author_name: null, author_at: null },
    ...{ text: null, text_at: null, permalink: null, permalink_at: null, occurred_at: null },
    ...{ first_seen_at: api.clock.now, last_message_at: api.clock.now },
  })
  const names = ['twin-1', 'twin-2', 'twin-3']
  const told = (order: string[]) =>
    api.db.inWorkspace(api.ours.workspace_id, trx => upsertPosts(trx, channel.id, order.map(draft)))
  const answers = await Promise.all([told(names), told(names.toReversed()), told(names)])
  const ids = answers.map(posts =>
    posts.toSorted((a, b) => (a.external_id < b.external_id ? -1 : 1)).map(({ id }) => id),
  )
  t.same(ids[1], ids[0])
  t.same(ids[2], ids[0])
  t.equal(answers.flat().filter(({ change }) => change === 'created').length, 3)
})
