import { keepBlob } from '@parley/core'
import { newId } from '@parley/db'
import t from 'tap'
import { addChannel, addConversation, addCustomerMessage, addKey, type Json, testApi } from './helper.ts'
import { isProblem } from './refusals.ts'

const api = await testApi(t)
const { ours } = api
const channel = await addChannel(api)
const other = await addChannel(api)
const run = <T>(work: Parameters<typeof api.db.inWorkspace<T>>[1]) => api.db.inWorkspace(ours.workspace_id, work)

const add = async (name: string, fields: Json = {}) => {
  const { status, body, text } = await api.call('POST', '/v1/contacts', { name, ...fields })
  if (status !== 201) throw new Error(text)
  return body
}
const read = async (path: string) => (await api.call('GET', path)).body
const patch = (id: string, version: number, body: Json) =>
  api.call('PATCH', `/v1/contacts/${id}`, body, { 'if-match': `"${version}"` })

/** An account of a contact; its handle is its id. */
const addIdentity = (contact_id: string, handle: string, network = 'bluesky') =>
  run(trx =>
    trx
      .insertInto('contact_identities')
      .values({
        id: newId(api.clock.now),
        contact_id,
        network,
        external_id: `id-of-${handle}`,
        handle,
        created_at: api.clock.now,
        updated_at: api.clock.now,
      })
      .execute(),
  )

t.test('a contact is found by the beginning of its name, its handle or its address', async t => {
  const ana = await add('Ana Silva')
  const zoe = await add('Zoë')
  await addIdentity(ana.id, 'Ana.example.social')
  await addIdentity(zoe.id, 'zoe@example.com', 'email')
  const found = async (q: string) =>
    (await read(`/v1/contacts?q=${encodeURIComponent(q)}`)).data.map(({ id }: Json) => id)
  t.same(await found('ana s'), [ana.id])
  t.same(await found('ANA.EX'), [ana.id])
  t.same(await found('ana'), [ana.id], 'once, although name and handle are alike')
  t.same(await found('zoe@'), [zoe.id])
  t.same(await found('ZOË'), [zoe.id])
  for (const text of ['silva', '%', '_na', "' or 1=1--", 'ana%', '\\']) t.same(await found(text), [], text)
})

t.test('what is kept of a contact is changed by whoever saw it last', async t => {
  const ana = await add('Ana', { language: 'pt-br', attributes: { tier: 'gold', orders: 3, vip: true } })
  t.match(ana, { name: 'Ana', name_given: true, language: 'pt-BR', do_not_contact: false, version: 1 })
  t.same(ana.attributes, { tier: 'gold', orders: 3, vip: true })
  const changed = await patch(ana.id, 1, { language: 'de', attributes: { tier: null, orders: 4 } })
  t.match(changed.body, { name: 'Ana', language: 'de', version: 2 })
  t.same(changed.body.attributes, { orders: 4, vip: true })
  t.equal(changed.headers.etag, '"2"')
  isProblem(t, await patch(ana.id, 1, { language: 'fr' }), 412, 'version-mismatch', 'an old version')
  isProblem(t, await api.call('PATCH', `/v1/contacts/${ana.id}`, {}), 428, 'precondition-required', 'no version')
  t.equal((await patch(ana.id, 2, { language: 'de' })).body.version, 2, 'what it is already changes nothing')
  const events = await api.query(`select type, data from events where data->>'contact_id' = '${ana.id}' order by seq`)
  t.same(events, [
    { type: 'contact.created', data: { contact_id: ana.id } },
    { type: 'contact.updated', data: { contact_id: ana.id, changed: ['language', 'attributes'] } },
  ])
})

t.test('attributes are flat: texts, numbers, and yes or no', async t => {
  const wrong: Json[] = [{ a: [] }, { a: {} }, { A: 'x' }, { '': 'x' }, { 'a b': 1 }, { a: null }, { a: '' }]
  wrong.push(Object.fromEntries(Array.from({ length: 51 }, (_, index) => [`a${index}`, index])))
  for (const attributes of wrong) {
    const answer = await api.call('POST', '/v1/contacts', { name: 'Ana', attributes })
    isProblem(t, answer, 422, 'validation-failed', JSON.stringify(attributes))
  }
  const full = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`a${index}`, index]))
  const ana = await add('Ana', { attributes: full })
  isProblem(t, await patch(ana.id, 1, { attributes: { one_more: 1 } }), 422, 'validation-failed', 'one too many')
  t.equal((await patch(ana.id, 1, { attributes: { a0: null, one_more: 1 } })).status, 200)
})

t.test('a name that the team takes back is what the network says', async t => {
  const { contact_id } = await addConversation(api, ours, channel)
  await addIdentity(contact_id, 'ana.example')
  t.match((await patch(contact_id, 1, { name: 'Ana of Lisbon' })).body, { name: 'Ana of Lisbon', name_given: true })
  t.match((await patch(contact_id, 2, { name: null })).body, { name: 'ana.example', name_given: false })
})

t.test('the conversations of a contact are those it began and those it spoke in, on all channels', async t => {
  const at = (second: number) => new Date(api.clock.now.getTime() - 1_000_000 + second * 1000)
  const first = await addConversation(api, ours, channel, { at: at(1) })
  const others = await addConversation(api, ours, other, { at: at(2) })
  await addConversation(api, ours, channel, { at: at(3) })
  const place = { conversation_id: others.id, channel_id: other.id, contact_id: first.contact_id }
  await run(trx => addCustomerMessage(trx, place, at(4)))
  const path = `/v1/contacts/${first.contact_id}/conversations`
  const { data } = await read(path)
  t.same(
    data.map(({ id }: Json) => id),
    [others.id, first.id],
  )
  const page = await read(`${path}?limit=1`)
  t.same([page.data[0].id, page.data.length], [others.id, 1])
  const rest = await read(`${path}?limit=1&cursor=${page.next_cursor}`)
  t.same([rest.data[0].id, rest.next_cursor], [first.id, null])
})

t.test('a note is changed by its author or a lead, and read by all', async t => {
  const ana = await add('Ana')
  const [author, colleague, lead] = await Promise.all(
    (['agent', 'agent', 'lead'] as const).map(role => addKey(api.db, ours.workspace_id, role)),
  )
  const as = (key: { key: string }, version?: number) => ({
    authorization: `Bearer ${key.key}`,
    ...(version ? { 'if-match': `"${version}"` } : {}),
  })
  const path = `/v1/contacts/${ana.id}/notes`
  const note = (await api.call('POST', path, { body: 'Prefers mornings.' }, as(author!))).body
  t.match(note, { contact_id: ana.id, author_type: 'user', author_id: author!.user_id, version: 1 })
  const change = (who: { key: string }, version: number, body: string) =>
    api.call('PATCH', `${path}/${note.id}`, { body }, as(who, version))
  isProblem(t, await change(colleague!, 1, 'x'), 403, 'forbidden', 'somebody else')
  t.match((await change(author!, 1, 'Prefers evenings.')).body, { body: 'Prefers evenings.', version: 2 })
  isProblem(t, await change(lead!, 1, 'x'), 412, 'version-mismatch', 'an old version')
  t.equal((await change(lead!, 2, 'Prefers noon.')).status, 200)
  t.match((await read(path)).data, [{ id: note.id, body: 'Prefers noon.' }])
  const remove = (who: { key: string }) => api.call('DELETE', `${path}/${note.id}`, undefined, as(who))
  isProblem(t, await remove(colleague!), 403, 'forbidden', 'somebody else')
  t.equal((await remove(author!)).status, 200)
  isProblem(t, await remove(author!), 404, 'not-found', 'it is gone')
  t.same((await read(path)).data, [])
  const elsewhere = await add('Ben')
  const other = (await api.call('POST', path, { body: 'x' })).body
  const wrong = await api.call('DELETE', `/v1/contacts/${elsewhere.id}/notes/${other.id}`)
  isProblem(t, wrong, 404, 'not-found', 'a note about somebody else')
})

t.test('whoever is not to be contacted gets no reply, but with force', async t => {
  const { id, contact_id } = await addConversation(api, ours, channel)
  t.match((await patch(contact_id, 1, { do_not_contact: true })).body, { do_not_contact: true })
  const reply = (key: string, fields: Json = {}) =>
    api.call('POST', `/v1/conversations/${id}/replies`, { body: 'Hi', ...fields }, { 'idempotency-key': key })
  const refused = await reply('do-not-contact-1')
  isProblem(t, refused, 422, 'reply-refused', 'without force')
  t.equal(refused.body.do_not_contact, true)
  t.equal((await reply('do-not-contact-2', { force: true })).status, 202)
  t.match((await patch(contact_id, 2, { do_not_contact: false })).body, { do_not_contact: false })
  t.equal((await reply('do-not-contact-3')).status, 202)
})

t.test('two contacts are merged and taken apart again', async t => {
  const first = await addConversation(api, ours, channel)
  const second = await addConversation(api, ours, other)
  await addIdentity(second.contact_id, 'ana.elsewhere')
  const path = `/v1/contacts/${first.contact_id}`
  const before = [await read(path), await read(`/v1/contacts/${second.contact_id}`)]
  const preview = await api.call('POST', `${path}/merge`, { from_id: second.contact_id, dry_run: true })
  t.match(preview.body, { merge_id: null, moves: { contacts: 1, identities: 1, conversations: 1, notes: 0 } })
  t.same([await read(path), await read(`/v1/contacts/${second.contact_id}`)], before)

  const { merge_id } = (await api.call('POST', `${path}/merge`, { from_id: second.contact_id })).body
  t.equal((await read(`/v1/contacts/${second.contact_id}`)).merged_into, first.contact_id)
  t.match((await read(`${path}/identities`)).data, [{ handle: 'ana.elsewhere', contact_id: second.contact_id }])
  t.equal((await read(`${path}/conversations`)).data.length, 2)
  t.equal((await read(`/v1/conversations/${second.id}`)).contact.id, first.contact_id)
  t.same(
    (await read('/v1/contacts?q=ana.elsewhere')).data.map(({ id }: Json) => id),
    [first.contact_id],
    'found by what they are called elsewhere',
  )
  const gone = await patch(second.contact_id, 1, { name: 'Ana' })
  isProblem(t, gone, 409, 'conflict', 'a merged contact is not changed')
  t.equal(gone.body.merged_into, first.contact_id)
  t.match((await patch(first.contact_id, 1, { do_not_contact: true })).body, { do_not_contact: true })
  const reply = { body: 'Hi' }
  const toSecond = `/v1/conversations/${second.id}/replies`
  isProblem(t, await api.call('POST', toSecond, reply, { 'idempotency-key': 'merged-1' }), 422, 'reply-refused', 'wish')
  t.match((await patch(first.contact_id, 2, { do_not_contact: false })).body, { do_not_contact: false })

  t.equal((await api.call('POST', `${path}/unmerge`, { merge_id })).status, 200)
  t.same(await read(`/v1/contacts/${second.contact_id}`), before[1])
  t.same((await read(`${path}/identities`)).data, [])
  t.match((await read(`${path}/merges`)).data, [{ id: merge_id, from_id: second.contact_id, unmerged_by_type: 'user' }])
})

t.test('an erasure is accepted at once, by an administrator, and its receipt tells nothing of whom', async t => {
  const { id, contact_id } = await addConversation(api, ours, channel)
  await addIdentity(contact_id, 'forgotten.example')
  const lead = await addKey(api.db, ours.workspace_id, 'lead')
  const path = `/v1/contacts/${contact_id}/erase`
  const asLead = { authorization: `Bearer ${lead.key}` }
  isProblem(t, await api.call('POST', path, undefined, asLead), 403, 'forbidden', 'a lead')
  const accepted = await api.call('POST', path)
  t.equal(accepted.status, 202)
  t.match(accepted.body, { contact_id, state: 'running', counts: { contacts: 1, identities: 1 }, finished_at: null })
  t.same((await api.call('POST', path)).body, accepted.body, 'twice is once')
  const receipt = await api.call('GET', `/v1/contact_erasures/${accepted.body.id}`)
  t.equal(receipt.status, 200)
  t.notMatch(receipt.text, 'forgotten')
  t.match(await read(`/v1/contacts/${contact_id}`), { name: 'Someone', attributes: {}, erased_at: /./ })
  t.same((await read('/v1/contacts?q=forgotten')).data, [])
  isProblem(t, await patch(contact_id, 2, { name: 'Ana' }), 409, 'conflict', 'it is not changed any more')
  const body = { body: 'Hi', force: true }
  const reply = await api.call('POST', `/v1/conversations/${id}/replies`, body, { 'idempotency-key': 'erased-1' })
  isProblem(t, reply, 422, 'reply-refused', 'nobody can be answered')
})

t.test('an export is asked for, and downloaded while it is there', async t => {
  const { contact_id } = await addConversation(api, ours, channel)
  const asked = await api.call('POST', `/v1/contacts/${contact_id}/export`)
  t.match([asked.status, asked.body], [202, { contact_id, state: 'running', byte_size: null }])
  const path = `/v1/contact_exports/${asked.body.id}`
  isProblem(t, await api.call('GET', `${path}/content`), 409, 'conflict', 'while it is being written')
  const { key, byte_size } = await keepBlob(
    api.db,
    api.ctx.blobs,
    ours.workspace_id,
    Buffer.from('{"a":1}'),
    api.ctx.now,
  )
  const expires_at = new Date(api.clock.now.getTime() + 1000)
  await run(trx =>
    trx
      .updateTable('contact_exports')
      .set({ state: 'done', blob_key: key, byte_size, expires_at, next_attempt_at: null })
      .where('id', '=', asked.body.id)
      .execute(),
  )
  t.match((await api.call('GET', path)).body, { state: 'done', byte_size: 7 })
  const file = await api.call('GET', `${path}/content`)
  t.same([file.status, file.body], [200, { a: 1 }])
  t.match(file.headers['content-disposition'], /^attachment; filename="contact-[0-9a-f-]+\.json"$/)
  t.equal((await api.call('HEAD', `${path}/content`)).status, 200)
  const now = api.clock.now
  api.clock.now = expires_at
  isProblem(t, await api.call('GET', `${path}/content`), 409, 'conflict', 'afterwards')
  api.clock.now = now
})
