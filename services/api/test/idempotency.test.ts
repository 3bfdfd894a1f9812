import { until } from '@parley/testing'
import t from 'tap'
import { addChannel, addConversation, addKey, atOnce, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'

const api = await testApi(t)
const channel = await addChannel(api)
const conversation = await addConversation(api, api.ours, channel)
const notes = `/v1/conversations/${conversation.id}/notes`

const write = (key: string, body = 'Hello', headers: Record<string, string> = {}, path = notes) =>
  api.call('POST', path, { body }, { 'idempotency-key': key, ...headers })
const stored = async (body: string) =>
  (await api.query(`select count(*)::int as count from messages where body = '${body}'`))[0].count
const storedKeys = async () => (await api.query('select count(*)::int as count from idempotency_keys'))[0].count

t.test('one key fifty times at once has one effect and one answer', async t => {
  const answers = await atOnce(50, () => write('fifty-at-once', 'fifty'))
  const done = answers.filter(({ status }) => status === 201)
  const busy = answers.filter(({ status }) => status !== 201)
  t.ok(done.length >= 1)
  t.equal(new Set(done.map(({ text }) => text)).size, 1, 'all completed answers are the same')
  for (const answer of busy) {
    isProblem(t, answer, 409, 'idempotency-in-progress', 'meanwhile')
    t.equal(answer.headers['retry-after'], '1')
  }
  t.equal(done.filter(({ headers }) => headers['idempotency-replayed'] !== 'true').length, 1, 'one of them did it')
  t.equal(await stored('fifty'), 1)
  const events = await api.query(`select data from events where type = 'note.created'`)
  t.equal(events.length, 1, 'and one event tells it')
})

t.test('while the first request still runs, the second one hears so and waits for nothing', async t => {
  let release = () => {}
  const held = new Promise<void>(resolve => {
    release = resolve
  })
  // The first one stands still behind the conversation's row, which replies lock; so that lock has to be there before.
  let holder = Promise.resolve()
  await new Promise<void>((locked, failed) => {
    holder = api.db.inWorkspace(api.ours.workspace_id, async trx => {
      await trx.selectFrom('conversations').select('id').where('id', '=', conversation.id).forUpdate().execute()
      locked()
      await held
    })
    holder.catch(failed)
  })
  const replies = notes.replace('notes', 'replies')
  const first = write('still-running', 'slow', {}, replies)
  await until('it waits for the lock', async () => {
    const waiting = await api.query(
      `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
    )
    return waiting.length > 0
  })
  isProblem(t, await write('still-running', 'slow', {}, replies), 409, 'idempotency-in-progress', 'the second')
  release()
  await holder
  const done = await first
  t.equal(done.status, 202)
  const again = await write('still-running', 'slow', {}, replies)
  t.same([again.status, again.text], [202, done.text])
})

t.test('a repeat gets the stored answer, headers and all, and says that it is one', async t => {
  const path = `/v1/conversations/${conversation.id}/claim`
  const headers = { 'idempotency-key': 'claim-it-once' }
  const first = await api.call('POST', path, undefined, headers)
  t.same([first.status, first.headers.etag], [200, `"${first.body.version}"`])
  t.equal(first.headers['idempotency-replayed'], undefined)
  await api.call('PUT', path.replace('claim', 'assignee'), { assignee_id: null, from: first.body.assignee_id })
  const again = await api.call('POST', path, undefined, headers)
  t.same([again.status, again.text, again.headers.etag], [200, first.text, first.headers.etag])
  t.equal(again.headers['idempotency-replayed'], 'true')
  t.equal(again.headers['content-type'], first.headers['content-type'])
  const now = await api.call('GET', path.replace('/claim', ''))
  t.equal(now.body.assignee_id, null, 'it was not claimed a second time')
})

t.test('quotes around a key do not make it another one', async t => {
  const first = await write('in-quotes', 'quoted')
  const again = await write('"in-quotes"', 'quoted')
  t.same([again.status, again.text], [201, first.text])
  t.equal(await stored('quoted'), 1)
})

t.test('a key belongs to one credential, one route and one body', async t => {
  const other = await addKey(api.db, api.ours.workspace_id, 'agent')
  const first = await write('shared-by-chance', 'mine')
  const theirs = await write('shared-by-chance', 'mine', { authorization: `Bearer ${other.key}` })
  t.same([first.status, theirs.status], [201, 201])
  t.not(first.body.id, theirs.body.id, 'another credential has its own keys')
  t.equal(await stored('mine'), 2)
  const replies = await write('shared-by-chance', 'mine', {}, notes.replace('notes', 'replies'))
  t.equal(replies.status, 202, 'another route has its own keys')
  isProblem(t, await write('shared-by-chance', 'other'), 422, 'idempotency-key-reused', 'another body')
})

t.test('a key of another workspace is another key', async t => {
  const theirChannel = await addChannel(api, api.theirs)
  const theirs = await addConversation(api, api.theirs, theirChannel)
  const path = `/v1/conversations/${theirs.id}/notes`
  const first = await write('two-workspaces', 'ours')
  const second = await write('two-workspaces', 'ours', { authorization: `Bearer ${api.theirs.key}` }, path)
  t.same([first.status, second.status], [201, 201])
  t.not(first.body.id, second.body.id)
})

t.test('a refusal is not stored: the corrected request may use the key', async t => {
  const before = await storedKeys()
  isProblem(t, await write('refused-first', '\u0000'), 422, 'validation-failed', 'a bad text')
  const nowhere = notes.replace(conversation.id, channel.id)
  isProblem(t, await write('refused-first', 'text', {}, nowhere), 404, 'not-found', 'no conversation')
  t.equal(await storedKeys(), before)
  t.equal((await write('refused-first', 'text')).status, 201)
  t.equal(await storedKeys(), before + 1)
})

t.test('without a key every POST is an effect of its own', async t => {
  const before = await storedKeys()
  for (let index = 0; index < 2; index += 1) t.equal((await api.call('POST', notes, { body: 'twice' })).status, 201)
  t.equal(await stored('twice'), 2)
  t.equal(await storedKeys(), before)
})
