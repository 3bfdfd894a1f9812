import { applyRules } from '@parley/core'
import { appendEvents } from '@parley/db'
import { SYSTEM } from '@parley/domain'
import { capabilities } from '@parley/testing'
import t from 'tap'
import { addChannel, addConversation, addKey, atOnce, type Json, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'

const api = await testApi(t)
const channel = await addChannel(api)
const conversations = (count: number) =>
  Promise.all(Array.from({ length: count }, () => addConversation(api, api.ours, channel)))
const high = { type: 'set_priority', priority: 'high' }
let keys = 0
const withKey = () => {
  keys += 1
  return { 'idempotency-key': `rules-test-${keys}` }
}
const bulk = (body: Json, headers: Record<string, string> = {}) =>
  api.call('POST', '/v1/conversations/bulk', body, headers)
const count = async (type: string, id: string) =>
  (await api.query(`select 1 from events where type = '${type}' and conversation_id = '${id}'`)).length

t.test('a bulk call gives one result for each id, in the order asked for', async t => {
  const [one, other] = (await conversations(2)).map(({ id }) => id)
  const nowhere = '00000000-0000-7000-8000-000000000000'
  const theirs = await addConversation(api, api.theirs, await addChannel(api, api.theirs))
  const first = await bulk({ ids: [one, theirs.id, other, nowhere], actions: [high], versions: { [other!]: 9 } })
  t.equal(first.status, 200, first.text)
  t.same(
    first.body.data.map(({ id, result, code }: Json) => [id, result, code]),
    [
      [one, 'changed', undefined],
      [theirs.id, 'refused', 'not_found'],
      [other, 'refused', 'version_mismatch'],
      [nowhere, 'refused', 'not_found'],
    ],
  )
  const again = await bulk({ ids: [one], actions: [high, { type: 'assign', assignee_id: 'me' }] })
  t.match(again.body.data[0], { result: 'changed', actions: [{ result: 'unchanged' }, { result: 'changed' }] })
  const silent = {
    actions: [
      { type: 'set_priority', priority: 'low' },
      { type: 'snooze', until: '2000-01-01T00:00:00Z' },
    ],
  }
  const partly = await bulk({ ids: [one], ...silent })
  t.match(partly.body.data[0], { result: 'partly', actions: [{}, { result: 'refused', code: 'validation_failed' }] })
})

t.test(
  'a bulk call that is sent again with its key does nothing twice, and another with that key is refused',
  async t => {
    const ids = (await conversations(60)).map(({ id }) => id)
    const body = { ids, actions: [{ type: 'add_note', body: 'Seen.' }] }
    const headers = withKey()
    const answers = await atOnce(3, () => bulk(body, headers))
    for (const answer of answers) t.same(answer.body, answers[0]!.body)
    for (const id of ids) t.equal(await count('note.created', id), 1)
    isProblem(t, await bulk({ ...body, actions: [high] }, headers), 422, 'idempotency-key-reused', 'another call')
  },
)

t.test('how far a bulk call is can be read while it goes on, also by whom its answer never reached', async t => {
  const ids = (await conversations(60)).map(({ id }) => id)
  const nowhere = '00000000-0000-7000-8000-000000000000'
  const body = { ids: [nowhere, ...ids], actions: [{ type: 'add_note', body: 'Seen.' }] }
  const headers = withKey()
  const batch = async () => {
    const { data } = (await api.call('GET', `/v1/conversation_batches?idempotency_key=${headers['idempotency-key']}`))
      .body
    t.ok(data.length <= 1)
    return data[0] && (await api.call('GET', `/v1/conversation_batches/${data[0].id}`)).body
  }
  t.equal(await batch(), undefined)
  const { inWorkspace } = api.db
  let [parts, between] = [0, undefined as Json]
  api.db.inWorkspace = (async (workspace_id: string, work: never) => {
    parts += 1
    if (parts === 3) {
      api.db.inWorkspace = inWorkspace
      between = await batch()
      throw Object.assign(new Error('killed'), { code: 'ECONNRESET' })
    }
    return inWorkspace.call(api.db, workspace_id, work)
  }) as typeof inWorkspace
  t.equal((await bulk(body, headers)).status, 503)
  t.match(between, {
    ...{ state: 'unfinished', total: 61, done: 25, idempotency_key: headers['idempotency-key'] },
    tally: { changed: 24, unchanged: 0, partly: 0, refused: 1 },
  })
  const later = new Date(api.clock.now.getTime() + 60_000)
  api.clock.now = later
  const answer = (await bulk(body, headers)).body
  const done = await batch()
  t.match(done, { id: answer.batch_id, state: 'done', done: 61, tally: { changed: 60, refused: 1 } })
  t.same(done.data, answer.data, 'in the order asked for')
  t.same(
    between.data,
    answer.data.filter(({ id }: Json) => between.data.some((known: Json) => known.id === id)),
  )
  t.equal(done.updated_at, later.toISOString())
  t.equal((await bulk({ ...body, ids: [nowhere] })).body.batch_id, null, 'without a key nothing is kept')
})

t.test('a bulk call is read by who made it, and by leads as far as they see its conversations', async t => {
  const open = await addConversation(api, api.ours, channel)
  const door = (await api.call('POST', '/v1/inboxes', { name: 'Behind a door' })).body.id
  const hidden = await addConversation(
    api,
    { ...api.ours, inbox_id: door },
    await addChannel(api, { ...api.ours, inbox_id: door }),
  )
  const as = (key: string) => ({ authorization: `Bearer ${key}` })
  const [maker, agent, lead] = await Promise.all(
    (['agent', 'agent', 'lead'] as const).map(role => addKey(api.db, api.ours.workspace_id, role)),
  )
  await api.call('PUT', `/v1/inboxes/${door}/members/${maker!.user_id}`)
  const ids = [hidden.id, open.id]
  const made = await bulk({ ids, actions: [high] }, { ...withKey(), ...as(maker!.key) })
  t.equal(made.status, 200, made.text)
  const read = (key: string) => api.call('GET', `/v1/conversation_batches/${made.body.batch_id}`, undefined, as(key))
  const listed = async (key: string) =>
    (await api.call('GET', '/v1/conversation_batches?limit=100', undefined, as(key))).body.data.some(
      ({ id }: Json) => id === made.body.batch_id,
    )
  const shown = async (key: string) => (await read(key)).body.data.map(({ id }: Json) => id)
  t.same([await shown(maker!.key), await listed(maker!.key)], [ids, true])
  t.same([await shown(lead!.key), await listed(lead!.key)], [[open.id], true])
  t.same(await shown(api.ours.key), ids)
  isProblem(t, await read(agent!.key), 404, 'not-found', 'another agent')
  isProblem(t, await read(api.theirs.key), 404, 'not-found', 'another workspace')
  t.same([await listed(agent!.key), await listed(api.theirs.key)], [false, false])
  const session = { name: 'Second', role: 'agent', user_id: maker!.user_id }
  const second = (await api.call('POST', '/v1/api_keys', session)).body.key
  t.same(await shown(second), ids, 'with another key of theirs')
  t.equal((await api.call('DELETE', `/v1/inboxes/${door}/members/${maker!.user_id}`)).status, 200)
  t.same(await shown(maker!.key), ids, 'what they were answered they may read again')
})

t.test('a bulk call that ended half way goes on where it ended', async t => {
  const ids = (await conversations(60)).map(({ id }) => id)
  const body = { ids, actions: [{ type: 'add_note', body: 'Seen.' }] }
  const headers = withKey()
  const { inWorkspace } = api.db
  let parts = 0
  api.db.inWorkspace = ((workspace_id: string, work: never) => {
    parts += 1
    if (parts === 3) return Promise.reject(Object.assign(new Error('killed'), { code: 'ECONNRESET' }))
    return inWorkspace.call(api.db, workspace_id, work)
  }) as typeof inWorkspace
  t.equal((await bulk(body, headers)).status, 503)
  api.db.inWorkspace = inWorkspace
  const done = await Promise.all(ids.map(id => count('note.created', id)))
  t.equal(done.filter(Boolean).length, 25)
  const answer = await bulk(body, headers)
  t.ok(answer.body.data.every(({ result }: Json) => result === 'changed'))
  for (const id of ids) t.equal(await count('note.created', id), 1)
})

t.test('bulk calls in opposite orders do not block each other', async t => {
  const ids = (await conversations(8)).map(({ id }) => id)
  for (let round = 0; round < 50; round += 1) {
    const priority = (place: number) => ['low', 'normal', 'high', 'urgent'][(round + place) % 4]
    const answers = await atOnce(2, place =>
      bulk({ ids: place ? ids : ids.toReversed(), actions: [{ type: 'set_priority', priority: priority(place) }] }),
    )
    for (const answer of answers) t.equal(answer.status, 200)
  }
})

t.test('five hundred conversations are changed in a few seconds', async t => {
  const ids = (await conversations(500)).map(({ id }) => id)
  const startedMs = performance.now()
  const answer = await bulk({ ids, actions: [high, { type: 'set_status', status: 'resolved' }] })
  t.comment(`${Math.round(performance.now() - startedMs)} ms`)
  t.ok(answer.body.data.every(({ result }: Json) => result === 'changed'))
  isProblem(t, await bulk({ ids: [...ids, ids[0]], actions: [high] }), 422, 'validation-failed', 'refused')
})

t.test('a macro does everything in one go, tells what it would do, and replies only to what was seen', async t => {
  const conversation = await addConversation(api, api.ours, channel, { messages: 2 })
  const saved = (await api.call('POST', '/v1/saved_replies', { name: 'Sorry', body: 'Sorry, {{ contact.name }}.' }))
    .body
  const actions = [
    { type: 'reply', saved_reply_id: saved.id },
    { type: 'set_status', status: 'pending' },
  ]
  const macro = await api.call('POST', '/v1/macros', { name: 'Sorry', scope: 'workspace', actions })
  t.equal(macro.status, 201, macro.text)
  const run = (body: Json) =>
    api.call('POST', `/v1/conversations/${conversation.id}/macros/${macro.body.id}/run`, body, withKey())
  const tried = await run({ dry_run: true, seen_up_to: conversation.messages[1] })
  t.match(tried.body, { dry_run: true, actions: [{ result: 'changed' }, { result: 'changed' }] })
  t.equal(await count('reply.queued', conversation.id), 0)
  isProblem(t, await run({ seen_up_to: conversation.messages[0] }), 409, 'newer-messages', 'less was seen')
  t.equal((await api.call('GET', `/v1/conversations/${conversation.id}`)).body.status, 'open', 'nothing was done')
  const ran = await run({ seen_up_to: conversation.messages[1] })
  t.match(ran.body, { macro_id: macro.body.id, version: 1, actions: [{ result: 'changed' }, { result: 'changed' }] })
  t.equal(await count('reply.queued', conversation.id), 1)
  t.equal(await count('macro.run', conversation.id), 1)
})

t.test('macros of everybody are saved by leads, and one of a person is theirs alone', async t => {
  const { key } = await addKey(api.db, api.ours.workspace_id, 'agent')
  const asAgent = { authorization: `Bearer ${key}` }
  const body = { name: 'Mine', actions: [high] }
  isProblem(
    t,
    await api.call('POST', '/v1/macros', { ...body, scope: 'workspace' }, asAgent),
    403,
    'forbidden',
    'not theirs',
  )
  const own = await api.call('POST', '/v1/macros', body, asAgent)
  t.equal(own.status, 201)
  isProblem(t, await api.call('GET', `/v1/macros/${own.body.id}`), 404, 'not-found', 'not seen')
})

t.test('a rule names only what is there, and has neither replies nor me', async t => {
  const rule = (fields: Json) =>
    api.call('POST', '/v1/rules', { name: 'R', triggers: ['message.received'], actions: [high], ...fields })
  isProblem(t, await rule({ actions: [{ type: 'add_tag', tag: 'never seen' }] }), 422, 'validation-failed', 'refused')
  isProblem(t, await rule({ conditions: { any: [{ tag: ['never seen'] }] } }), 422, 'validation-failed', 'refused')
  isProblem(t, await rule({ actions: [{ type: 'assign', assignee_id: 'me' }] }), 422, 'validation-failed', 'refused')
  isProblem(
    t,
    await rule({ actions: [{ type: 'reply', saved_reply_id: api.ours.inbox_id }] }),
    422,
    'validation-failed',
    'refused',
  )
  isProblem(
    t,
    await rule({ actions: [{ type: 'add_note', body: '{{ nobody.knows }}' }] }),
    422,
    'validation-failed',
    'refused',
  )
  const deep = (levels: number): Json => (levels === 0 ? {} : { not: deep(levels - 1) })
  t.equal((await rule({ conditions: deep(4) })).status, 201)
  isProblem(t, await rule({ conditions: deep(5) }), 422, 'validation-failed', 'refused')
})

t.test('a rule asks only for attributes that are defined, and for values that they can have', async t => {
  const define = (key: string, type: string, fields: Json = {}) =>
    api.call('POST', '/v1/attributes', { key, label: key, applies_to: 'conversation', type, ...fields })
  await define('tier', 'select', { options: ['gold', 'silver'] })
  await define('vip', 'boolean')
  await define('orders', 'number')
  await define('due', 'date')
  await define('city', 'text', { applies_to: 'contact' })
  const save = (conditions: Json) =>
    api.call('POST', '/v1/rules', { name: 'R', triggers: ['conversation.updated'], conditions, actions: [high] })
  const known = {
    attributes: {
      tier: ['gold', 'silver'],
      vip: true,
      orders: { at_least: 3, at_most: 10 },
      due: { at_most: '2027-01-01' },
    },
    contact_attributes: { city: 'Porto' },
  }
  const saved = await save(known)
  t.equal(saved.status, 201, saved.text)
  t.same(saved.body.conditions, known)
  const refused: [Json, string, RegExp][] = [
    [
      { attributes: { plan: 'gold' } },
      '/conditions/attributes/plan',
      /no attribute that is defined for a conversation/,
    ],
    [{ attributes: { city: 'Porto' } }, '/conditions/attributes/city', /no attribute that is defined/],
    [{ any: [{ not: { attributes: { tier: ['gold', 'tin'] } } }] }, '/conditions/any/0/not/attributes/tier', /options/],
    [{ attributes: { vip: 'yes' } }, '/conditions/attributes/vip', /true or false/],
    [{ attributes: { orders: { at_least: '2026-12-24' } } }, '/conditions/attributes/orders', /a number/],
    [{ attributes: { due: { at_least: '2026-02-30' } } }, '/conditions/attributes/due', /a date/],
    [{ attributes: { due: { at_least: '2026-02-02', at_most: '2026-02-01' } } }, '/conditions/attributes/due', /above/],
    [{ contact_attributes: { city: { at_least: 1 } } }, '/conditions/contact_attributes/city', /no order/],
  ]
  for (const [conditions, pointer, detail] of refused) {
    const answer = await save(conditions)
    isProblem(t, answer, 422, 'validation-failed', pointer)
    t.match(answer.body.errors, [{ pointer, detail }])
    t.match(answer.body.detail, detail)
  }
  const tried = await api.call('POST', '/v1/rules/simulate', {
    rule: { triggers: ['conversation.updated'], conditions: { attributes: { plan: 1 } } },
  })
  t.match(tried.body.errors, [{ pointer: '/rule/conditions/attributes/plan' }])
  for (const conditions of [{ attributes: {} }, { attributes: { orders: {} } }, { attributes: { orders: [] } }])
    isProblem(t, await save(conditions), 422, 'validation-failed', JSON.stringify(conditions))
  const gone = '00000000-0000-7000-8000-000000000000'
  isProblem(t, await save({ post_id: [gone] }), 422, 'validation-failed', 'no such post')
})

t.test('only rules do something to the message of an event, and dismiss it with a reason that is listed', async t => {
  const save = (actions: Json, path = '/v1/rules') =>
    api.call('POST', path, { name: 'R', ...(path === '/v1/rules' ? { triggers: ['message.received'] } : {}), actions })
  const dismiss = { type: 'dismiss', reason: 'Only thanks' }
  const saved = await save([dismiss, { type: 'hide' }, { type: 'like' }])
  t.equal(saved.status, 201, saved.text)
  t.same(saved.body.actions[0], { ...dismiss, as: 'no_reply_needed' })
  for (const action of [dismiss, { type: 'hide' }, { type: 'like' }]) {
    isProblem(t, await save([action], '/v1/macros'), 422, 'validation-failed', `a macro: ${action.type}`)
    const { id } = await addConversation(api, api.ours, channel)
    isProblem(t, await bulk({ ids: [id], actions: [action] }), 422, 'validation-failed', `in bulk: ${action.type}`)
  }
  await api.call('PUT', '/v1/dismissal_reasons', { reasons: ['Talks to others'] })
  const refused = await save([dismiss])
  isProblem(t, refused, 422, 'validation-failed', 'not listed')
  t.match(refused.body.detail, /Talks to others/)
  isProblem(t, await save([{ ...dismiss, as: 'unhandled' }]), 422, 'validation-failed', 'no dismissal')
  await api.call('PUT', '/v1/dismissal_reasons', { reasons: [] })
})

t.test('what a rule has done to a message is read, and taken back, like what a person has', async t => {
  // By itself: no rule of the other tests is there.
  const api = await testApi(t)
  const { id, messages } = await addConversation(api, api.ours, await addChannel(api))
  await api.query(`update messages set external_id = 'network-1' where id = '${messages[0]}'`)
  const rule = { name: 'R', triggers: ['message.received'], actions: [{ type: 'hide' }] }
  const { id: rule_id } = (await api.call('POST', '/v1/rules', rule)).body
  const path = `/v1/conversations/${id}/messages/${messages[0]}/actions`
  const event = { type: 'message.received' as const, at: api.clock.now, actor: SYSTEM, conversation_id: id }
  await api.db.inWorkspace(api.ours.workspace_id, async trx => {
    await appendEvents(trx, [{ ...event, data: { message_id: messages[0] } }])
    const received = await trx.selectFrom('events').selectAll().where('conversation_id', '=', id).execute()
    return applyRules(trx, received, () => capabilities({ actions: ['hide'] }), api.clock.now)
  })
  const { data } = (await api.call('GET', path)).body
  t.match(data, [{ verb: 'hide', state: 'queued', actor_type: 'rule', actor_id: rule_id }])
  const cancelled = await api.call('POST', `${path}/${data[0].id}/cancel`)
  t.match(cancelled.body, { state: 'cancelled', actor_type: 'rule' })
  const told = await api.query(
    `select type, actor_type from events where data->>'action_id' = '${data[0].id}' order by seq`,
  )
  t.same(told, [
    { type: 'action.queued', actor_type: 'rule' },
    { type: 'action.cancelled', actor_type: 'user' },
  ])
})

t.test('a trial judges attributes as they are', async t => {
  const { id } = await addConversation(api, api.ours, channel)
  const path = `/v1/conversations/${id}`
  const { version } = (await api.call('GET', path)).body
  const set = await api.call('PATCH', path, { attributes: { orders: 4 } }, { 'if-match': `"${version}"` })
  t.equal(set.status, 200, set.text)
  const trial = async (conditions: Json) =>
    (await api.call('POST', '/v1/rules/simulate', { rule: { triggers: ['conversation.updated'], conditions } })).body
  t.equal((await trial({ attributes: { orders: { at_least: 4 } } })).matched, 1)
  const missed = await trial({ changed: ['attributes'], attributes: { orders: { at_most: 3 } } })
  t.equal(missed.matched, 0)
  const sample = missed.samples.find(({ conversation_id }: Json) => conversation_id === id)
  t.equal(sample.decided_by, '/conditions/attributes/orders')
})

t.test('a rule of every inbox is an administrator’s; a lead saves rules of inboxes they see', async t => {
  const { key } = await addKey(api.db, api.ours.workspace_id, 'lead')
  const asLead = { authorization: `Bearer ${key}` }
  const body = { name: 'R', triggers: ['message.received'], actions: [high] }
  isProblem(t, await api.call('POST', '/v1/rules', body, asLead), 403, 'forbidden', 'not theirs')
  const own = await api.call('POST', '/v1/rules', { ...body, inbox_ids: [api.ours.inbox_id] }, asLead)
  t.equal(own.status, 201, own.text)
  const path = `/v1/rules/${own.body.id}`
  isProblem(
    t,
    await api.call('PATCH', path, { inbox_ids: null }, { ...asLead, 'if-match': '"1"' }),
    403,
    'forbidden',
    'not theirs',
  )
  const off = await api.call('PATCH', path, { enabled: false }, { ...asLead, 'if-match': '"1"' })
  t.match(off.body, { enabled: false, version: 2, actions: [high] })
  isProblem(
    t,
    await api.call('PATCH', path, { enabled: true }, { ...asLead, 'if-match': '"1"' }),
    412,
    'version-mismatch',
    'stale',
  )
  const [logged] = await api.query(
    `select data, previous from events where type = 'rule.updated' and data->>'rule_id' = '${own.body.id}'`,
  )
  t.match(logged, { data: { enabled: false, version: 2 }, previous: { enabled: true, version: 1 } })
})

t.test('a rule is tried on what has happened, tells what decided, and changes nothing', async t => {
  const { id, messages } = await addConversation(api, api.ours, channel)
  const event = { type: 'message.received' as const, at: api.clock.now, actor: SYSTEM, conversation_id: id }
  await api.db.inWorkspace(api.ours.workspace_id, trx =>
    appendEvents(trx, [
      { ...event, data: { message_id: messages[0] } },
      { ...event, data: { history: true } },
    ]),
  )
  const logged = (await api.query('select 1 from events')).length
  const rule = { triggers: ['message.received'], conditions: { text_has_words: ['order'], priority: ['high'] } }
  const missed = await api.call('POST', '/v1/rules/simulate', { rule })
  t.match(missed.body, {
    ...{ events: 1, matched: 0, complete: true },
    samples: [{ conversation_id: id, matched: false, decided_by: '/conditions/priority' }],
  })
  const words = { triggers: rule.triggers, conditions: { text_has_words: ['order'] } }
  t.match((await api.call('POST', '/v1/rules/simulate', { rule: words })).body, { events: 1, matched: 1 })
  t.equal((await api.query('select 1 from events')).length, logged)
})

t.test('a trial of a surge tells of each open conversation on the post that the caller sees', async t => {
  const [seen, settled, hidden] = (await conversations(3)).map(({ id }) => id)
  const post_id = '00000000-0000-7000-8000-00000000beef'
  const door = (await api.call('POST', '/v1/inboxes', { name: 'Behind another door' })).body.id
  await api.query(`update inboxes set open_to_all = false where id = '${door}'`)
  const { workspace_id, inbox_id } = api.ours
  await api.query(`insert into posts (workspace_id, id, channel_id, external_id, kind, first_seen_at, last_message_at)
    values ('${workspace_id}', '${post_id}', '${channel.id}', 'p-1', 'own', now(), now())`)
  await api.query(
    `update conversations set post_id = '${post_id}' where id in ('${[seen, settled, hidden].join("','")}')`,
  )
  await api.query(`update conversations set status = 'resolved' where id = '${settled}'`)
  await api.query(`update conversations set inbox_id = '${door}' where id = '${hidden}'`)
  const data = { post_id, channel_id: channel.id }
  await api.db.inWorkspace(workspace_id, trx =>
    appendEvents(trx, [{ type: 'post.surging', at: api.clock.now, actor: SYSTEM, data }]),
  )
  const trial = async (rule: Json, headers = {}) => {
    const { body } = await api.call(
      'POST',
      '/v1/rules/simulate',
      { rule: { triggers: ['post.surging'], ...rule } },
      headers,
    )
    return body
  }
  const all = await trial({ conditions: { post_id: [post_id] } })
  t.match(all, { events: 2, matched: 2, complete: true })
  t.same(all.samples.map(({ conversation_id }: Json) => conversation_id).sort(), [seen, hidden].sort())
  t.match(await trial({ conditions: { post_surging: true } }), { events: 2, matched: 0 }, 'it is over')
  t.match(await trial({ inbox_ids: [inbox_id] }), { events: 1, matched: 1, samples: [{ conversation_id: seen }] })
  const { key } = await addKey(api.db, workspace_id, 'lead')
  t.match(await trial({}, { authorization: `Bearer ${key}` }), { events: 1, samples: [{ conversation_id: seen }] })
})

t.test('a trial that takes too long says that it is not complete', async t => {
  const { monotonicMs } = api.ctx
  let elapsed = 0
  api.ctx.monotonicMs = () => {
    elapsed += 3_001
    return elapsed
  }
  t.teardown(() => {
    api.ctx.monotonicMs = monotonicMs
  })
  const rule = { triggers: ['message.received'] }
  t.match((await api.call('POST', '/v1/rules/simulate', { rule })).body, { events: 0, complete: false })
})
