import { deleteDraft, newId } from '@parley/db'
import { has } from '@parley/testing'
import t from 'tap'
import { addChannel, addConversation, addKey, atOnce, testApi } from './helper.ts'
import { changesNothing, isProblem } from './refusals.ts'

const api = await testApi(t)
const { ours } = api
const channel = await addChannel(api)
const colleague = await addKey(api.db, ours.workspace_id, 'agent')
const asColleague = { authorization: `Bearer ${colleague.key}` }

const newDraft = async () => {
  const conversation = await addConversation(api, ours, channel)
  const path = `/v1/conversations/${conversation.id}/draft`
  const put = (fields: object, headers: Record<string, string> = {}) => api.call('PUT', path, fields, headers)
  return { conversation, path, put }
}
const eventsOf = async (id: string) =>
  (await api.query(`select type, data from events where conversation_id = '${id}' order by seq`)) as {
    type: string
    data: unknown
  }[]

t.test('a draft is written, read and discarded by whoever of the team is at it', async t => {
  const { conversation, path, put } = await newDraft()
  isProblem(t, await api.call('GET', path), 404, 'not-found', 'none yet')
  const attachment_ids = [newId(api.clock.now), newId(api.clock.now)]
  const fields = { body: 'Dear Ana,', visibility: 'unlisted', in_reply_to: conversation.messages[0], attachment_ids }
  const written = await put(fields)
  t.same([written.status, written.headers.etag], [200, '"1"'])
  has(t, written.body, { conversation_id: conversation.id, ...fields, version: 1, updated_by_type: 'user' })
  const read = await api.call('GET', path, undefined, asColleague)
  t.same([read.body, read.headers.etag], [written.body, '"1"'])
  const went = await put({ body: 'Dear Ana, it is' }, { ...asColleague, 'if-match': '"1"' })
  const rest = { visibility: null, in_reply_to: null, attachment_ids: [] }
  has(t, went.body, { body: 'Dear Ana, it is', ...rest, version: 2, updated_by_id: colleague.user_id })
  const gone = await api.call('DELETE', path, undefined, { 'if-match': '"2"' })
  t.same([gone.status, gone.body.body], [200, 'Dear Ana, it is'])
  isProblem(t, await api.call('GET', path), 404, 'not-found', 'discarded')
  isProblem(t, await api.call('DELETE', path, undefined, { 'if-match': '*' }), 404, 'not-found', 'discarded already')
  t.same(await eventsOf(conversation.id), [
    { type: 'draft.updated', data: { version: 1 } },
    { type: 'draft.updated', data: { version: 2 } },
    { type: 'draft.deleted', data: { version: 2 } },
  ])
  t.notMatch(JSON.stringify(await api.query('select * from drafts')), /Dear Ana/, 'nothing of it is kept')
})

t.test('nobody writes over what they have not read, and gets to see it', async t => {
  const { path, put } = await newDraft()
  await put({ body: 'Dear Ana,' })
  const draft = (await put({ body: 'Dear Ana, it is' }, { ...asColleague, 'if-match': '"1"' })).body
  await changesNothing(t, api, async () => {
    const attempts = [
      await put({ body: 'Hello!' }, { 'if-match': '"1"' }),
      await put({ body: 'Hello!' }, { 'if-match': '"3"' }),
      await api.call('DELETE', path, undefined, { 'if-match': '"1"' }),
    ]
    for (const answer of attempts) {
      isProblem(t, answer, 412, 'version-mismatch', 'stale')
      t.same(answer.body.draft, draft)
    }
    for (const answer of [await put({ body: 'Hello!' }), await api.call('DELETE', path)]) {
      isProblem(t, answer, 428, 'precondition-required', 'without If-Match')
      t.same(answer.body.draft, draft)
    }
    for (const header of ['2', 'W/"2"', '"2", "3"', '""', 'x']) {
      isProblem(t, await put({ body: 'Hello!' }, { 'if-match': header }), 412, 'version-mismatch', header)
    }
  })
  t.equal((await put({ body: 'Hello!' }, { 'if-match': '*' })).body.version, 3, 'who says so writes over it')
})

t.test('a version that was read is never the version of another text', async t => {
  const { path, put } = await newDraft()
  await put({ body: 'First' })
  await api.call('DELETE', path, undefined, { 'if-match': '"1"' })
  for (const header of ['"1"', '"2"', '*']) {
    const answer = await put({ body: 'Second' }, { 'if-match': header })
    isProblem(t, answer, 412, 'version-mismatch', `${header}: it is gone`)
    t.equal(answer.body.draft, null)
  }
  const second = await put({ body: 'Second' })
  t.same([second.status, second.body.version], [200, 3])
  isProblem(t, await put({ body: 'Third' }, { 'if-match': '"1"' }), 412, 'version-mismatch', 'of the first one')
})

t.test('a write whose answer got lost can be sent again', async t => {
  const { conversation, put } = await newDraft()
  await put({ body: 'Dear Ana,' })
  const once = await put({ body: 'Dear Ana, it is' }, { 'if-match': '"1"' })
  const again = await put({ body: 'Dear Ana, it is' }, { 'if-match': '"1"' })
  t.same([again.status, again.body, again.headers.etag], [200, once.body, '"2"'])
  t.equal((await eventsOf(conversation.id)).length, 2)
})

t.test('of fifty who begin a draft at once one does, and the others see it', async t => {
  const { conversation, put } = await newDraft()
  const answers = await atOnce(50, index => put({ body: `Text ${index}` }))
  const made = answers.filter(({ status }) => status === 200)
  t.equal(made.length, 1)
  for (const answer of answers.filter(answer => answer !== made[0])) {
    isProblem(t, answer, 428, 'precondition-required', 'too late')
    t.same(answer.body.draft, made[0]!.body)
  }
  const changes = await atOnce(50, index => put({ body: `Then ${index}` }, { 'if-match': '"1"' }))
  t.equal(changes.filter(({ status }) => status === 200).length, 1)
  t.equal((await eventsOf(conversation.id)).length, 2)
})

t.test('a draft may be empty, and what nobody can see is empty', async t => {
  for (const body of ['', ' \n', '\u200b']) {
    const { put } = await newDraft()
    const { status, body: draft } = await put({ body })
    t.same([status, draft.body], [200, ''], JSON.stringify(body))
  }
})

t.test('a draft answers a message of its customer alone', async t => {
  const { conversation, put } = await newDraft()
  const other = await addConversation(api, ours, channel)
  const note = await api.call('POST', `/v1/conversations/${conversation.id}/notes`, { body: 'Look.' })
  await changesNothing(t, api, async () => {
    for (const in_reply_to of [other.messages[0], note.body.id, newId(api.clock.now)]) {
      isProblem(t, await put({ body: 'a', in_reply_to }), 422, 'validation-failed', in_reply_to)
    }
    const id = newId(api.clock.now)
    for (const attachment_ids of [[id, id], ['x'], Array.from({ length: 21 }, () => newId(api.clock.now))]) {
      isProblem(t, await put({ body: 'a', attachment_ids }), 422, 'validation-failed', `${attachment_ids.length} files`)
    }
  })
})

t.test('what a reply was made from is cleared, unless somebody has written on', async t => {
  const { conversation, path, put } = await newDraft()
  const clear = (version: number) =>
    api.db.inWorkspace(ours.workspace_id, trx => deleteDraft(trx, conversation.id, version))
  t.equal(await clear(1), false, 'nothing there')
  await put({ body: 'Dear Ana,' })
  await put({ body: 'Dear Ana, it is' }, { 'if-match': '"1"' })
  t.equal(await clear(1), false)
  t.equal((await api.call('GET', path)).body.body, 'Dear Ana, it is')
  t.equal(await clear(2), true)
  t.equal((await api.call('GET', path)).status, 404)
  t.equal(await clear(3), false, 'cleared already')
})
