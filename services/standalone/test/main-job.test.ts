import {
  comment,
  firstWorkspace,
  onBothBackends,
  restClient,
  serviceEnvironment,
  startApi,
  startReceiver,
  startService,
  testDatabase,
  until,
} from '@parley/testing'
import t from 'tap'

t.test('a comment comes in, a person answers, the customer reads it, the wait is measured', async t => {
  await onBothBackends(t, async (t, backendOf) => {
    const { db, url } = await testDatabase(t)
    const { key, inbox_id } = await firstWorkspace(db)
    const env = serviceEnvironment(url, backendOf(url))
    const network = await startReceiver(t, () => ({ status: 200, body: { external_id: 'their-1' } }))
    const api = await startApi(t, env)
    startService(t, 'worker', env)
    const admin = restClient(api.url, key)

    // A lead promises a first answer within an hour, around the clock.
    const weekly = [1, 2, 3, 4, 5, 6, 7].map(weekday => ({ weekday, opens: '00:00', closes: '24:00' }))
    const calendar = await admin.post('/v1/calendars', { name: 'Always', definition: { time_zone: 'UTC', weekly } })
    t.equal(calendar.status, 201, JSON.stringify(calendar.body))
    const targets = { first_response: { seconds: 3600 }, next_response: { seconds: 7200 } }
    const enforce_from = '2020-01-01T00:00:00Z'
    const policy = await admin.post('/v1/sla/policies', {
      name: 'An hour',
      calendar_id: calendar.body.id,
      enforce_from,
      targets,
    })
    t.equal(policy.status, 201, JSON.stringify(policy.body))
    const inbox = await admin.patch(`/v1/inboxes/${inbox_id}`, { sla_policy_id: policy.body.id })
    t.equal(inbox.body.sla_policy_id, policy.body.id)

    // An integration connects its channel and posts a comment.
    const bearer_secret = 'a-secret-of-the-shop-and-parley'
    const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
    const channel = await admin.post('/v1/channels', {
      kind: 'generic',
      name: 'Shop reviews',
      inbox_id,
      settings: { reply_url: network.url },
      credentials: { bearer_secret, signing_secrets: [secret] },
    })
    t.equal(channel.status, 201, JSON.stringify(channel.body))
    const shop = restClient(api.url, bearer_secret)
    const posted = await shop.post(`/hooks/${channel.body.id}`, comment({ external_id: 'r-1', thread_id: 'kettle' }))
    t.same([posted.status, posted.body.accepted], [202, 1], JSON.stringify(posted.body))

    // An agent finds it, takes it, writes a note and replies.
    const conversation = await until('the conversation is listed, and triaged', async () => {
      const list = await admin.get('/v1/conversations?status=open&waiting=true&sort=waiting&include=triage')
      return list.body.data[0]?.triage && list.body.data[0]
    })
    t.match(conversation, { number: 1, contact: { name: 'Ana Silva' }, status: 'open', assignee_id: null })
    const path = `/v1/conversations/${conversation.id}`
    const claimed = await admin.post(`${path}/claim`)
    t.equal(claimed.status, 200, JSON.stringify(claimed.body))
    t.equal((await admin.post(`${path}/notes`, { body: 'Parcel is in the depot' })).status, 201)
    const { data: messages } = (await admin.get(`${path}/messages`)).body
    const reply = { body: 'It arrives today, Ana.', seen_up_to: messages[0].id }
    t.equal((await admin.post(`${path}/replies`, reply)).status, 400, 'a reply needs an Idempotency-Key')
    const idempotent = { 'idempotency-key': 'reply-00000001' }
    const queued = await admin.post(`${path}/replies`, reply, idempotent)
    t.same([queued.status, queued.body.state], [202, 'queued'], JSON.stringify(queued.body))
    const again = await admin.post(`${path}/replies`, reply, idempotent)
    t.same([again.status, again.body], [queued.status, queued.body])
    t.equal(again.headers.get('idempotency-replayed'), 'true')

    // The network receives it once, and its acceptance ends the wait.
    const sent = await until('the reply is sent', async () => {
      const page = await admin.get(`${path}/messages`)
      return page.body.data.find((message: { state: string }) => message.state === 'sent')
    })
    t.equal(sent.external_id, 'their-1')
    t.equal(network.received.length, 1)
    t.match(network.received[0]!.body, {
      type: 'reply.requested',
      data: { thread_id: 'kettle', in_reply_to: 'r-1', text: 'It arrives today, Ana.' },
    })
    const sla = (await admin.get(`${path}/sla`)).body
    t.equal(sla.waits.length, 1)
    t.equal(sla.waits[0].closed_at, sent.occurred_at, 'the wait ends when the network accepted')
    t.match(sla.clocks, [
      { metric: 'first_response', state: 'fulfilled', fulfilled_at: sent.occurred_at, breached_at: null },
    ])
    const done = (await admin.get(path)).body
    t.match(done, { status: 'pending', waiting_since: null })
    const hour = 3600 * 1000
    const [from, to] = [-24, 24].map(hours => new Date(Math.floor(Date.now() / hour + hours) * hour).toISOString())
    const kept = await until('the summary has counted it', async () => {
      const { rows } = (await admin.get(`/v1/sla/summary?from=${from}&to=${to}`)).body
      return rows[0]?.met === 1 && rows[0]
    })
    t.match(kept, { metric: 'first_response', attainment: 1, met: 1, breached: 0 })

    // Everything stands in the log, once.
    const resolved = await admin.patch(path, { status: 'resolved' }, { 'if-match': `"${done.version}"` })
    t.equal(resolved.body.status, 'resolved', JSON.stringify(resolved.body))
    const types = await until('the log shows the end', async () => {
      const { data } = (await admin.get('/v1/events?limit=100')).body
      const found = data.map((event: { type: string }) => event.type)
      return found.includes('conversation.resolved') && found
    })
    t.same(types, [
      'calendar.created',
      'sla_policy.created',
      'inbox.updated',
      'channel.connected',
      'contact.created',
      'conversation.created',
      'message.received',
      'sla.started',
      'message.triaged',
      'conversation.updated',
      'conversation.assigned',
      'note.created',
      'reply.queued',
      'reply.sent',
      'message.disposition_changed',
      'sla.fulfilled',
      'conversation.updated',
      'conversation.resolved',
    ])
    t.equal((await admin.get(`${path}/timeline`)).body.data.length, 13)
  })
})
