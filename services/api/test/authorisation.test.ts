import { newId } from '@parley/db'
import t from 'tap'
import { type Answer, addConversation, addKey, type Json, testApi } from './helper.ts'
import { changesNothing, isProblem, withoutInstance } from './refusals.ts'
import { bodyFor, documentedRoutes, neededQuery, type Route } from './routes.ts'
import { addThings, fill, namedBy } from './tenant-things.ts'

/*
 * Made from the routes that there are: each of them is called with ids of another workspace and of an inbox that the caller
 * does not see, in the path, the query and the body. A route or a field that nobody has listed fails.
 */
const api = await testApi(t)
const { db, ours, theirs } = api
const document = (await api.inject({ method: 'GET', url: '/openapi.json' })).body
const routes = (await documentedRoutes(api)).filter(({ role }) => role)
const own = await addThings(api, ours)
const foreign = await addThings(api, theirs)
const nowhere = newId(api.clock.now)
const QUERY: Record<string, string> = {
  '/v1/sla/breaches': 'from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z',
  '/v1/holidays': 'country=DE&year=2027',
  '/v1/search/messages': 'q=hello',
  '/v1/search/contacts': 'q=ana',
}
let keys = 0

const call = (route: Route, path: string, body: Json, key = ours.key) => {
  keys += 1
  return api.call(route.method, `${path}?${QUERY[route.path] ?? neededQuery(route.path)}`, body, {
    authorization: `Bearer ${key}`,
    'idempotency-key': `authorisation-${keys}`,
    'if-match': '"1"',
  })
}
/** An answer without what differs from call to call (what is kept of a bulk call), and without the id that was asked for. */
const told = (answer: Answer, ...ids: string[]) => {
  const text = withoutInstance(answer)
    .replace(/"batch_id":"[^"]*"/, '')
    .replace(/^\{"id":"[^"]*"/, '{"id":"…"')
  return `${answer.status} ${ids.reduce((rest, id) => rest.replaceAll(id, '…'), text)}`
}
const resolve = (schema: Json): Json =>
  schema?.$ref
    ? resolve(
        schema.$ref
          .split('/')
          .slice(1)
          .reduce((at: Json, key: string) => at[key], document),
      )
    : schema

t.test('an id of another workspace in a path is answered like one that is nowhere, in every place', async t => {
  let tried = 0
  await changesNothing(t, api, async () => {
    // The name of a report names nothing of a workspace.
    for (const route of routes.filter(({ path }) => path.includes('{') && !path.includes('{report}'))) {
      const things = namedBy(route.path)
      const body = bodyFor(route, { inbox: ours.inbox_id, calendar: nowhere })
      // Every way to put foreign ids among our own ones, but none at all.
      for (let mask = 1; mask < 2 ** things.length; mask += 1) {
        const ids = (from: (thing: string) => string) =>
          things.map((thing, place) => ((mask >> place) & 1 ? from(thing) : own[thing]!))
        const missing = await call(
          route,
          fill(
            route.path,
            ids(() => nowhere),
          ),
          body,
        )
        const theirs = await call(
          route,
          fill(
            route.path,
            ids(thing => foreign[thing]!),
          ),
          body,
        )
        const what = `${route.method} ${route.path} ${mask}`
        isProblem(t, missing, 404, 'not-found', what)
        t.equal(told(theirs), told(missing), what)
        tried += 1
      }
      for (const shape of ['x', '1', nowhere.toUpperCase(), `${nowhere}x`, '%00', 'null']) {
        const path = fill(route.path, [shape, ...things.slice(1).map(() => nowhere)])
        isProblem(t, await call(route, path, body), 404, 'not-found', `${route.path} ${shape}`)
      }
    }
  })
  t.ok(tried >= 50, `${tried} calls`)
})

/** What each id in a body names. A field that is not here fails the test below. */
const BODY_IDS: Record<string, string> = {
  'POST /v1/channels /inbox_id': 'inbox',
  'POST /v1/inboxes /sla_policy_id': 'policy',
  'PATCH /v1/inboxes/{id} /sla_policy_id': 'policy',
  'POST /v1/sla/policies /calendar_id': 'calendar',
  'POST /v1/sla/policies /conditions/inbox_id/0': 'inbox',
  'POST /v1/sla/policies /conditions/channel_id/0': 'channel',
  'POST /v1/sla/policies /conditions/team_id/0': 'team',
  'PATCH /v1/sla/policies/{id} /calendar_id': 'calendar',
  ...Object.fromEntries(
    ['inbox', 'channel', 'team'].map(thing => [
      `POST /v1/sla/policies/import /policies/0/conditions/${thing}_id/0`,
      thing,
    ]),
  ),
  'POST /v1/sla/recalculate /policy_id': 'policy',
  'POST /v1/sla/recalculate /inbox_id': 'inbox',
  'PATCH /v1/sla/policies/{id} /conditions/inbox_id/0': 'inbox',
  'PATCH /v1/sla/policies/{id} /conditions/channel_id/0': 'channel',
  'PATCH /v1/sla/policies/{id} /conditions/team_id/0': 'team',
  'POST /v1/api_keys /user_id': 'user',
  'POST /v1/api_keys /inbox_ids/0': 'inbox',
  'POST /v1/invitations /inbox_ids/0': 'inbox',
  'POST /v1/invitations /team_ids/0': 'team',
  'PUT /v1/conversations/{id}/assignee /assignee_id': 'user',
  'PUT /v1/conversations/{id}/assignee /from': 'user',
  'PUT /v1/conversations/{id}/team /team_id': 'team',
  'PUT /v1/conversations/{id}/team /from': 'team',
  'POST /v1/conversations/{id}/merge /from_id': 'conversation',
  'POST /v1/conversations/{id}/split /message_ids/0': 'message',
  'POST /v1/conversations/{id}/replies /in_reply_to': 'message',
  'POST /v1/conversations/{id}/replies /seen_up_to': 'message',
  'POST /v1/conversations/{id}/replies /attachment_ids/0': 'attachment',
  'PUT /v1/conversations/{id}/draft /in_reply_to': 'message',
  'POST /v1/saved_replies /inbox_id': 'inbox',
  'PATCH /v1/saved_replies/{id} /inbox_id': 'inbox',
  'POST /v1/saved_replies/{id}/render /conversation_id': 'conversation',
  'POST /v1/saved_replies/{id}/render /in_reply_to': 'message',
  'PUT /v1/conversations/{id}/read /up_to': 'message',
  ...Object.fromEntries(
    ['POST /v1/views', 'PATCH /v1/views/{id}'].flatMap(route => [
      [`${route} /filter/inbox_id/0`, 'inbox'],
      [`${route} /filter/channel_id`, 'channel'],
      [`${route} /filter/contact_id`, 'contact'],
      [`${route} /filter/post_id`, 'post'],
      [`${route} /filter/assignee_id`, 'user'],
      [`${route} /filter/team_id`, 'team'],
    ]),
  ),
  'POST /v1/views /team_id': 'team',
  'POST /v1/macros /team_id': 'team',
  'POST /v1/conversations/bulk /ids/0': 'conversation',
  'POST /v1/messages/bulk /message_ids/0': 'message',
  'POST /v1/messages/bulk /conversation_id': 'conversation',
  'POST /v1/messages/bulk /post_id': 'post',
  'POST /v1/messages/bulk /up_to': 'message',
  ...Object.fromEntries(
    [
      'POST /v1/conversations/bulk',
      'POST /v1/macros',
      'PATCH /v1/macros/{id}',
      'POST /v1/rules',
      'PATCH /v1/rules/{id}',
    ].flatMap(route => [
      [`${route} /actions/0/assignee_id`, 'user'],
      [`${route} /actions/0/team_id`, 'team'],
      ...(route.includes('macros') ? [[`${route} /actions/0/saved_reply_id`, 'saved reply']] : []),
    ]),
  ),
  ...Object.fromEntries(
    ['POST /v1/rules ', 'PATCH /v1/rules/{id} ', 'POST /v1/rules/simulate /rule'].flatMap(route => [
      [`${route}/inbox_ids/0`, 'inbox'],
      [`${route}/conditions/inbox_id/0`, 'inbox'],
      [`${route}/conditions/channel_id/0`, 'channel'],
      [`${route}/conditions/assignee_id/0`, 'user'],
      [`${route}/conditions/team_id/0`, 'team'],
      [`${route}/conditions/post_id/0`, 'post'],
    ]),
  ),
  'POST /v1/rules/simulate /rule_id': 'rule',
  'POST /v1/conversations/{id}/macros/{macro_id}/run /seen_up_to': 'message',
  'POST /v1/conversations/{id}/notes /mentions/user_ids/0': 'user',
  'POST /v1/conversations/{id}/notes /mentions/team_ids/0': 'team',
  'POST /v1/me/notifications/read /ids/0': 'notification',
  'POST /v1/me/notifications/read /up_to': 'notification',
  'POST /v1/conversations/{id}/expert_links /message_ids/0': 'message',
  'POST /v1/tasks /conversation_id': 'conversation',
  'POST /v1/tasks /assignee_id': 'user',
  'PATCH /v1/tasks/{id} /assignee_id': 'user',
  'POST /v1/contacts/{id}/merge /from_id': 'contact',
  'POST /v1/contacts/{id}/unmerge /merge_id': 'message',
  'POST /v1/channels/{id}/parked/retry /ids/0': 'parked',
  'POST /v1/channels/{id}/parked/discard /ids/0': 'parked',
}
/** Nothing is looked up by these: a draft keeps what it is given until it is sent, and a place in a list is one. */
const KEPT = [
  'PUT /v1/conversations/{id}/draft /attachment_ids/0',
  'POST /v1/channels/{id}/parked/retry /after',
  'POST /v1/channels/{id}/parked/discard /after',
  'POST /v1/sla/recalculate /after',
]

/** Where ids stand in a body, as JSON pointers. */
function idsIn(schema: Json, at = '', within: string[] = []): string[] {
  // What stands in itself, such as a condition, has the same ids at every depth.
  if (within.includes(schema?.$ref)) return []
  const inside = schema?.$ref ? [...within, schema.$ref] : within
  const { format, properties, items, anyOf, oneOf, allOf } = resolve(schema)
  if (format === 'uuid') return [at]
  return [
    ...Object.entries<Json>(properties ?? {}).flatMap(([name, inner]) => idsIn(inner, `${at}/${name}`, inside)),
    ...(items ? idsIn(items, `${at}/0`, inside) : []),
    ...[...(anyOf ?? []), ...(oneOf ?? []), ...(allOf ?? [])].flatMap((inner: Json) => idsIn(inner, at, inside)),
  ]
}

/** The action in which an id stands. */
const ACTIONS: Record<string, string> = { assignee_id: 'assign', team_id: 'set_team', saved_reply_id: 'reply' }

const withId = (body: Json, pointer: string, id: string): Json => {
  const [, field, inner, last, place] = pointer.split('/')
  if (field === 'actions') return { ...body, actions: [{ type: ACTIONS[last!], [last!]: id }] }
  if (field === 'rule') {
    const value = place === undefined ? [id] : { [last!]: [id] }
    return { rule: { ...body.rule, [inner!]: value } }
  }
  if (field === 'policies') return { policies: [{ ...body.policies[0], conditions: { [place!]: [id] } }] }
  if (field === 'rule_id') return { rule_id: id }
  const nested = () => ({ ...body[field!], [inner!]: last === undefined ? id : [id] })
  const value = inner === undefined ? id : /^\d+$/.test(inner) ? [id] : nested()
  const filled = { ...body, [field!]: value }
  // One selects either by ids or from a place on.
  if (field === 'ids') delete filled.all
  if (field === 'up_to') delete filled.ids
  if ('action' in filled && field !== 'message_ids') {
    delete filled.message_ids
    if (field === 'up_to') filled.conversation_id = own.conversation
  }
  if (field === 'in_reply_to' && 'conversation_id' in filled) filled.conversation_id = own.conversation
  return filled
}
const bodyIds = routes.flatMap(route => {
  const schema = route.operation.requestBody?.content['application/json'].schema
  return schema ? [...new Set(idsIn(schema))].map(pointer => ({ route, pointer })) : []
})

t.test('every id in a body is listed', async t => {
  const found = bodyIds.map(({ route, pointer }) => `${route.method} ${route.path} ${pointer}`)
  t.same(found.sort(), [...Object.keys(BODY_IDS), ...KEPT].sort())
})

t.test('an id of another workspace in a body is answered like one that is nowhere', async t => {
  for (const { route, pointer } of bodyIds) {
    const what = `${route.method} ${route.path} ${pointer}`
    const thing = BODY_IDS[what]
    if (!thing) continue
    const path = fill(
      route.path,
      namedBy(route.path).map(name => own[name]!),
    )
    const body = bodyFor(route, { inbox: ours.inbox_id, calendar: own.calendar, conversation: own.conversation })
    const missing = await call(route, path, withId(body, pointer, nowhere))
    const theirs = await call(route, path, withId(body, pointer, foreign[thing]!))
    t.equal(told(theirs, foreign[thing]!), told(missing, nowhere), what)
    // Of many, each has a result of its own.
    if (!/\/(ids|from)\b/.test(pointer) && what !== 'POST /v1/messages/bulk /message_ids/0')
      isProblem(t, missing, 422, 'validation-failed', what)
  }
})

t.test('a filter by an id of another workspace finds what one that is nowhere finds: nothing', async t => {
  let tried = 0
  for (const route of routes.filter(({ method }) => method === 'GET')) {
    const filters = (route.operation.parameters ?? []).filter(
      (parameter: Json) => parameter.in === 'query' && idsIn(parameter.schema).length > 0,
    )
    for (const { name } of filters) {
      const thing = name.replace(/_id$/, '').replace(/^(assignee|actor)$/, 'user')
      t.ok(foreign[thing], `a foreign id is known for ${route.path}?${name}`)
      const path = fill(
        route.path,
        namedBy(route.path).map(known => own[known]!),
      )
      const ask = (id: string) => api.call('GET', `${path}?${neededQuery(route.path)}&${name}=${id}`)
      const [theirs, missing] = [await ask(foreign[thing]!), await ask(nowhere)]
      t.equal(told(theirs, foreign[thing]!), told(missing, nowhere), `${route.path}?${name}`)
      tried += 1
    }
  }
  t.ok(tried >= 4, `${tried} filters`)
})

t.test('no list shows anything of another workspace', async t => {
  const ids = Object.values(foreign)
  for (const route of routes.filter(({ method, path }) => method === 'GET' && path !== '/v1/events/stream')) {
    const path = fill(
      route.path,
      namedBy(route.path).map(name => own[name]!),
    )
    const answer = await call(route, path, undefined)
    if (!route.path.includes('{')) t.equal(answer.status, 200, route.path)
    for (const id of [...ids, theirs.workspace_id]) t.notOk(answer.text.includes(id), `${route.path} ${id}`)
  }
})

/** Two clocks that run and two that were too late. */
const addClocks = (workspace_id: string, { policy, calendar, conversation }: Record<string, string>) =>
  api.query(`insert into sla_clocks (workspace_id, id, conversation_id, inbox_id, metric, ordinal, policy_id, policy_version,
      calendar_id, calendar_version, started_at, target_seconds, due_at, state, breached_at, detected_at, fulfilled_at)
    select c.workspace_id, gen_random_uuid(), c.id, c.inbox_id, metric, 9 + late::int, '${policy}', 1, '${calendar}', 1,
      '2026-01-01', 60, due_at, case when late then 'fulfilled' else 'running' end,
      case when late then due_at end, case when late then due_at end, case when late then due_at end
    from conversations c, unnest(array['resolution', 'assignment']) metric,
      (values (true, timestamptz '2026-01-01 00:01Z'), (false, '2100-01-01')) as v (late, due_at)
    where c.workspace_id = '${workspace_id}' and c.id = '${conversation}'`)

/** They are counted for the summary. */
const countClocks = async (workspace_id: string) => {
  const theirs = `where c.workspace_id = '${workspace_id}'`
  await api.query(`insert into report_builds (workspace_id, build, begun_at) values ('${workspace_id}', 1, now());
    insert into feed_cursors (workspace_id, consumer, xact, seq, moved_at) values ('${workspace_id}', 'sla_reports', '0', 0, now());
    insert into report_clocks (workspace_id, build, id, conversation_id, metric, policy_id, priority, inbox_id, channel_id, tag_ids,
      started_at, due_at, outcome)
    select c.workspace_id, 1, c.id, c.conversation_id, c.metric, c.policy_id, c.priority, c.inbox_id, v.channel_id, '{}',
      c.started_at, c.due_at, 'late' from sla_clocks c join conversations v on v.id = c.conversation_id ${theirs}`)
}

t.test('a cursor of another workspace is no cursor here', async t => {
  const theirKey = { authorization: `Bearer ${theirs.key}` }
  await addThings(api, theirs)
  await addKey(db, theirs.workspace_id, 'agent')
  await api.call('POST', '/v1/inboxes', { name: 'Second' }, theirKey)
  await addConversation(api, theirs, { id: foreign.channel! })
  await addClocks(theirs.workspace_id, foreign)
  await countClocks(theirs.workspace_id)
  let tried = 0
  for (const route of routes.filter(({ method, path }) => method === 'GET' && !path.includes('{'))) {
    const named = (route.operation.parameters ?? []).map(({ name }: Json) => name)
    // What is looked for has to be indexed: those cursors are tried where it is.
    if (!named.includes('cursor') || route.path.startsWith('/v1/search/')) continue
    const query = `limit=1&${QUERY[route.path] ?? neededQuery(route.path)}`
    const first = await api.call('GET', `${route.path}?${query}`, undefined, theirKey)
    const { next_cursor } = first.body
    if (!t.ok(next_cursor, `${route.path} has two rows there`)) continue
    const answer = await api.call('GET', `${route.path}?${query}&cursor=${next_cursor}`)
    isProblem(t, answer, 400, 'invalid-cursor', route.path)
    tried += 1
  }
  t.ok(tried >= 8, `${tried} lists`)
})

/** What belongs to an inbox, and so is kept from those who do not see it. What belongs to none is everybody's. */
const OF_INBOXES = [
  ...['inbox', 'channel', 'conversation', 'message', 'post', 'parked', 'attachment', 'saved reply', 'rule', 'task'],
  ...['expert link', 'message batch'],
]
const OF_THE_WORKSPACE = [
  ...['team', 'user', 'API key', 'session', 'invitation', 'calendar', 'policy', 'tag', 'view', 'macro'],
  ...['attribute', 'contact', 'contact erasure', 'contact export', 'notification', 'conversation batch'],
]

t.test('what lies in an inbox that somebody does not see is nowhere for them', async t => {
  t.same([...OF_INBOXES, ...OF_THE_WORKSPACE].sort(), Object.keys(own).sort(), 'of everything it is known')
  const made = await api.call('POST', '/v1/inboxes', { name: 'Behind a door' })
  const hidden = await addThings(api, { ...ours, inbox_id: made.body.id })
  const { user_id } = await addKey(db, ours.workspace_id, 'agent')
  t.equal((await api.call('PUT', `/v1/inboxes/${made.body.id}/members/${user_id}`)).status, 200)
  const outsiders: Record<string, string> = {
    agent: (await addKey(db, ours.workspace_id, 'agent')).key,
    lead: (await addKey(db, ours.workspace_id, 'lead')).key,
    'limited key': (await api.call('POST', '/v1/api_keys', { name: 'Shop', role: 'lead', inbox_ids: [ours.inbox_id] }))
      .body.key,
  }
  for (const [who, key] of Object.entries(outsiders)) {
    const person = who !== 'limited key'
    await changesNothing(t, api, async () => {
      for (const route of routes.filter(({ path }) => path.includes('{'))) {
        const things = namedBy(route.path)
        if (!things.some(thing => OF_INBOXES.includes(thing))) continue
        const body = bodyFor(route, { inbox: ours.inbox_id, calendar: nowhere })
        for (let mask = 1; mask < 2 ** things.length; mask += 1) {
          const ids = (from: (thing: string) => string) =>
            things.map((thing, place) =>
              (mask >> place) & 1 && OF_INBOXES.includes(thing) ? from(thing) : own[thing]!,
            )
          if (ids(() => nowhere).every((id, place) => id === own[things[place]!])) continue
          const missing = await call(
            route,
            fill(
              route.path,
              ids(() => nowhere),
            ),
            body,
            key,
          )
          const unseen = await call(
            route,
            fill(
              route.path,
              ids(thing => hidden[thing]!),
            ),
            body,
            key,
          )
          const what = `${who}: ${route.method} ${route.path} ${mask}`
          t.equal(told(unseen), told(missing), what)
          // An integration can own and read nothing, whatever it names.
          const refused = /\/(claim|read|next)$/.test(route.path) && !person ? 422 : 404
          t.ok([403, refused].includes(missing.status), `${what}: ${missing.status}`)
        }
      }
    })
    const unseen = Object.entries(hidden).filter(([thing]) => OF_INBOXES.includes(thing))
    for (const route of routes.filter(({ method, path }) => method === 'GET' && path !== '/v1/events/stream')) {
      const path = fill(
        route.path,
        namedBy(route.path).map(name => own[name]!),
      )
      const { text } = await call(route, path, undefined, key)
      for (const [thing, id] of unseen) t.notOk(text.includes(id), `${who}: ${route.path} shows no ${thing}`)
    }
    for (const { route, pointer } of bodyIds) {
      const thing = BODY_IDS[`${route.method} ${route.path} ${pointer}`]
      if (!thing || !OF_INBOXES.includes(thing)) continue
      const path = fill(
        route.path,
        namedBy(route.path).map(name => own[name]!),
      )
      const body = bodyFor(route, { inbox: ours.inbox_id, calendar: own.calendar })
      const missing = await call(route, path, withId(body, pointer, nowhere), key)
      const theirs = await call(route, path, withId(body, pointer, hidden[thing]!), key)
      t.equal(told(theirs, hidden[thing]!), told(missing, nowhere), `${who}: ${route.method} ${route.path} ${pointer}`)
    }
    for (const [name, thing] of [
      ['inbox_id', 'inbox'],
      ['channel_id', 'channel'],
      ['post_id', 'post'],
    ]) {
      const found = await api.call('GET', `/v1/conversations?${name}=${hidden[thing!]}`, undefined, {
        authorization: `Bearer ${key}`,
      })
      t.same(found.body, { data: [], next_cursor: null }, `${who}: ${name}`)
    }
  }
  const member = await addKey(db, ours.workspace_id, 'agent')
  await api.call('PUT', `/v1/inboxes/${made.body.id}/members/${member.user_id}`)
  for (const route of routes.filter(
    ({ method, path, role }) => method === 'GET' && /\{/.test(path) && role === 'agent',
  )) {
    const things = namedBy(route.path)
    if (!OF_INBOXES.includes(things[0]!)) continue
    const path = fill(
      route.path,
      things.map(thing => hidden[thing]!),
    )
    const asAdmin = await call(route, path, undefined)
    const asMember = await call(route, path, undefined, member.key)
    // An upload is its author's until it is used.
    if (things[0] !== 'attachment') t.equal(asMember.status, asAdmin.status, `a member: ${route.method} ${route.path}`)
  }
})
