import { searchConversations, searchMessages } from '@parley/core'
import { indexContacts, indexMessages, indexSubjects, newId, searchContacts } from '@parley/db'
import fc from 'fast-check'
import t from 'tap'
import { addChannel, addConversation, addCustomerMessage, addKey, type Json, type Tenant, testApi } from './helper.ts'
import { changesNothing, isProblem } from './refusals.ts'

const api = await testApi(t)
const channel = await addChannel(api)
const start = new Date('2026-03-01T10:00:00Z').getTime()
api.clock.now = new Date('2026-04-01T00:00:00Z')
let clock = start

type Said = { id: string; conversation: string; contact_id: string }
type Fields = { conversation?: Json; at?: Date; subject?: string; name?: string; handle?: string; files?: boolean }

/** A message of a customer as the worker leaves it behind, indexed. */
async function say(body: string, fields: Fields = {}, tenant: Tenant = api.ours, place: Json = channel): Promise<Said> {
  clock += 60_000
  const at = fields.at ?? new Date(clock)
  const conversation = fields.conversation ?? (await addConversation(api, tenant, place, { at, messages: 0 }))
  const { contact_id } = conversation
  const id = await api.db.inWorkspace(tenant.workspace_id, async trx => {
    const where = { conversation_id: conversation.id, channel_id: place.id, contact_id }
    const message_id = await addCustomerMessage(trx, where, at)
    const change = { body, has_attachments: fields.files ?? false }
    await trx.updateTable('messages').set(change).where('id', '=', message_id).execute()
    if (fields.subject)
      await trx
        .updateTable('conversations')
        .set({ subject: fields.subject })
        .where('id', '=', conversation.id)
        .execute()
    if (fields.name) await trx.updateTable('contacts').set({ name: fields.name }).where('id', '=', contact_id).execute()
    if (fields.handle) {
      const identity = { contact_id, network: 'x', external_id: newId(at), handle: fields.handle, display_name: null }
      await trx
        .insertInto('contact_identities')
        .values({ id: newId(at), ...identity, created_at: at, updated_at: at })
        .execute()
    }
    await indexMessages(trx, [message_id])
    await indexSubjects(trx, [conversation.id])
    await indexContacts(trx, [contact_id])
    return message_id
  })
  return { id, conversation: conversation.id, contact_id }
}

const search = (list: string, q: string, more = '') =>
  api.call('GET', `/v1/${list}${list.includes('?') ? '&' : '?'}q=${encodeURIComponent(q)}${more}`)
const messages = async (q: string, more = ''): Promise<string[]> => {
  const { status, body, text } = await search('search/messages', q, more)
  if (status !== 200) throw new Error(text)
  return body.data.map(({ id }: Json) => id)
}
const conversations = async (q: string, more = ''): Promise<string[]> => {
  const { status, body, text } = await search('conversations', q, more)
  if (status !== 200) throw new Error(text)
  return body.data.map(({ id }: Json) => id)
}

const parcel = await say('Where is my parcel? The café said it left.', { name: 'Ana López', handle: 'ana.lopez@shop' })
const refund = await say('I want a refund for the late parcel.', { name: 'Ben', files: true })
const credit = await say('Store credit is fine, no refund.', { subject: 'Crème brûlée' })
const both = [refund.id, parcel.id]

t.test('words are found whatever their accents and case, newest first', async t => {
  t.same(await messages('parcel'), both)
  t.same(await messages('PARCEL'), both)
  t.same(await messages('cafe'), [parcel.id])
  t.same(await messages('Café'), [parcel.id])
  t.same(await messages('parcels'), [], 'a word is a word, in any language')
})

t.test('all words have to be there; phrases, exclusions and alternatives mean what they say', async t => {
  t.same(await messages('refund parcel'), [refund.id])
  t.same(await messages('"late parcel"'), [refund.id])
  t.same(await messages('"parcel late"'), [])
  t.same(await messages('refund -"store credit"'), [refund.id])
  t.same(await messages('cafe or credit'), [credit.id, parcel.id])
})

t.test('filters narrow it down', async t => {
  t.same(await messages('parcel from:ana'), [parcel.id])
  t.same(await messages('from:@ana.lopez@shop'), [parcel.id])
  t.same(await messages('from:"ana lópez"'), [parcel.id])
  t.same(await messages('parcel from:nobody'), [])
  t.same(await messages('has:attachment'), [refund.id])
  t.same(await messages('parcel has:attachment'), [refund.id])
  t.same(await messages('parcel channel:generic channel:Shop'), both)
  t.same(await messages(`parcel channel:${channel.id}`), both)
  t.same(await messages('parcel status:open'), both)
  t.same(await messages('parcel status:spam'), [])
  t.same(await messages('parcel assignee:none'), both)
  t.same(await messages('parcel after:2026-03-01 before:2026-03-02'), both)
  t.same(await messages('parcel before:2026-03-01'), [])
  t.same(await messages('parcel', `&inbox_id=${newId(api.clock.now)}`), [])
  t.same(await messages('parcel', `&inbox_id=${api.ours.inbox_id}`), both)
  t.same(await messages('parcel', '&from=2026-03-01T10:02:00Z&to=2026-03-01T10:03:00Z'), [refund.id], 'half open')
})

t.test('assignee:me is who asks, and a key that acts as nobody cannot ask so', async t => {
  const agent = await addKey(api.db, api.ours.workspace_id, 'agent')
  const key = { authorization: `Bearer ${agent.key}` }
  const path = '/v1/search/messages?q=parcel%20assignee:me'
  t.same((await api.call('GET', path, undefined, key)).body.data, [])
  await api.query(`update conversations set assignee_id = '${agent.user_id}' where id = '${refund.conversation}'`)
  const { body } = await api.call('GET', path, undefined, key)
  t.same(
    body.data.map(({ id }: Json) => id),
    [refund.id],
  )
  t.same(await messages('parcel assignee:none'), [parcel.id])
  t.same(await messages('parcel assignee:"a agent"'), [refund.id])
  const robot = await addKey(api.db, api.ours.workspace_id, 'agent', { person: false })
  const headers = { authorization: `Bearer ${robot.key}` }
  isProblem(t, await api.call('GET', path, undefined, headers), 422, 'validation-failed', 'a robot')
  await api.query(`update conversations set assignee_id = null where id = '${refund.conversation}'`)
})

t.test('a result shows a passage as plain text, and where in it the matches are', async t => {
  const tricky = await say(`<b>Früh</b> & spät: the "zebra"\u0001 crossing 🦓 zebra`)
  const { body } = await search('search/messages', 'zebra')
  const [{ id, snippet, contact, conversation, occurred_at }] = body.data
  t.equal(id, tricky.id)
  t.equal(snippet.text, '<b>Früh</b> & spät: the "zebra" crossing 🦓 zebra', 'as it was written')
  t.same(
    snippet.matches.map(({ start, end }: Json) => snippet.text.slice(start, end)),
    ['zebra', 'zebra'],
  )
  t.same(contact, { id: tricky.contact_id, name: 'Ana' })
  t.equal(conversation.id, tricky.conversation)
  t.equal(occurred_at, new Date(clock).toISOString())
})

t.test('what was deleted or edited is found as it stands now', async t => {
  const said = await say('The word is gobbledygook.')
  t.same(await messages('gobbledygook'), [said.id])
  const reindex = () => api.db.inWorkspace(api.ours.workspace_id, trx => indexMessages(trx, [said.id]))
  await api.query(`update messages set body = 'The word is flimflam.' where id = '${said.id}'`)
  await reindex()
  t.same(await messages('gobbledygook'), [])
  t.same(await messages('flimflam'), [said.id])
  await api.query(`update messages set deleted_at = now() where id = '${said.id}'`)
  t.same(await messages('flimflam'), [], 'before the index knows')
  await reindex()
  t.same(await api.query(`select * from search_documents where id = '${said.id}'`), [])
})

t.test('a conversation is found once, by its newest match, by a subject too', async t => {
  const first = await say('wombat one')
  const other = await say('wombat two')
  const conversation = { id: first.conversation, contact_id: first.contact_id }
  await say('wombat three', { conversation })
  await say('nothing of the kind', { conversation: { id: other.conversation, contact_id: other.contact_id } })
  t.same(await conversations('wombat'), [first.conversation, other.conversation])
  t.same(await conversations('wombat', '&sort=relevance'), await conversations('wombat', '&sort=relevance'))
  t.same(await conversations('creme brulee'), [credit.conversation])
  t.same(await conversations('wombat', '&status=resolved'), [])
  t.same(await conversations('wombat status:resolved', '&status=open'), [], 'both have to hold')
  t.same(await conversations('wombat', `&channel_id=${channel.id}&inbox_id=${api.ours.inbox_id}&waiting=true`), [
    first.conversation,
    other.conversation,
  ])
  const pages = [await search('conversations', 'wombat', '&limit=1')]
  pages.push(await search('conversations', 'wombat', `&limit=1&cursor=${pages[0]!.body.next_cursor}`))
  t.same(
    pages.map(({ body }) => body.data[0].id),
    [first.conversation, other.conversation],
  )
  for (const [q, sort] of [
    ['wombat', 'oldest'],
    ['wombat', 'waiting'],
  ]) {
    isProblem(t, await search('conversations', q!, `&sort=${sort}`), 422, 'validation-failed', sort!)
  }
  isProblem(t, await api.call('GET', '/v1/conversations?sort=relevance'), 422, 'validation-failed', 'no q')
})

t.test('relevance: often and close together before once, fresh before old', async t => {
  const old = new Date('2016-03-01T00:00:00Z')
  const stale = await say('quokka quokka', { at: old })
  const fresh = await say('quokka quokka')
  const rare = await say(`quokka ${'and many other words '.repeat(20)}`)
  t.same(await messages('quokka', '&sort=relevance'), [fresh.id, rare.id, stale.id])
  t.same(await messages('quokka'), [rare.id, fresh.id, stale.id])
  const ids: string[] = []
  for (let cursor = ''; ; ) {
    const { body } = await search('search/messages', 'quokka', `&sort=relevance&limit=1${cursor}`)
    ids.push(...body.data.map(({ id }: Json) => id))
    if (!body.next_cursor) break
    cursor = `&cursor=${body.next_cursor}`
  }
  t.same(ids, [fresh.id, rare.id, stale.id], 'page by page as well')
})

t.test('people are found by names and handles, by beginnings and with mistakes, most alike first', async t => {
  const found = async (q: string) => (await search('search/contacts', q)).body.data.map(({ id }: Json) => id)
  const zoe = await say('hi', { name: 'Zoë Müller', handle: 'zoe.mueller.example' })
  const zora = await say('hi', { name: 'Zora Miller' })
  for (const q of ['zoe muller', 'Zoë', 'ZOE', 'zoe mul', 'zoe.mueller', '@zoe.mueller.example', 'zoe muler']) {
    t.equal((await found(q))[0], zoe.contact_id, q)
  }
  t.same((await found('zo')).sort(), [zoe.contact_id, zora.contact_id].sort(), 'two letters are enough')
  t.same(await found('nobody at all'), [])
  const { body } = await search('search/contacts', 'zoe')
  t.same(body.data[0].identities, [{ network: 'x', handle: 'zoe.mueller.example', display_name: null }])
  t.equal(body.data[0].name, 'Zoë Müller')
  const ids: string[] = []
  for (let cursor = ''; ; ) {
    const page = (await search('search/contacts', 'zo', `&limit=1${cursor}`)).body
    ids.push(...page.data.map(({ id }: Json) => id))
    if (!page.next_cursor) break
    cursor = `&cursor=${page.next_cursor}`
  }
  t.same(ids.sort(), [zoe.contact_id, zora.contact_id].sort())
})

t.test('a workspace finds nothing of another one', async t => {
  const theirChannel = await addChannel(api, api.theirs)
  const said = await say('platypus', { name: 'Platypus Person', subject: 'platypus' }, api.theirs, theirChannel)
  t.same(await messages('platypus'), [])
  t.same(await conversations('platypus'), [])
  t.same((await search('search/contacts', 'platypus')).body.data, [])
  const theirs = { authorization: `Bearer ${api.theirs.key}` }
  const { body } = await api.call('GET', '/v1/search/messages?q=platypus', undefined, theirs)
  t.same(
    body.data.map(({ id }: Json) => id),
    [said.id],
  )
  isProblem(
    t,
    await search('search/messages', `platypus channel:${theirChannel.id}`),
    422,
    'validation-failed',
    'theirs',
  )
})

t.test('nothing is found outside the inboxes that the caller may see', async t => {
  const { workspace_id, inbox_id } = api.ours
  const within = (inbox_ids: string[] | null) =>
    api.db.inWorkspace(workspace_id, async trx => {
      const scope = { inbox_ids, user_id: null }
      const page = { sort: 'newest' as const, limit: 10 }
      const said = await searchMessages(trx, 'parcel', scope, page, api.clock.now)
      const threads = await searchConversations(trx, 'parcel', scope, {}, page, api.clock.now)
      const people = await searchContacts(trx, { name: 'ana lopez', prefixes: ['lopez'], inbox_ids }, { limit: 10 })
      return [said.data.length, threads.data.length, people.length]
    })
  t.same(await within(null), [2, 2, 1])
  t.same(await within([inbox_id]), [2, 2, 1])
  t.same(await within([newId(api.clock.now)]), [0, 0, 0])
  t.same(await within([]), [0, 0, 0])
})

t.test('pages are of one piece while others write: each match comes once', async t => {
  const wanted: string[] = []
  for (let index = 0; index < 25; index += 1) wanted.unshift((await say(`capybara ${index}`)).id)
  const seen: string[] = []
  for (let cursor = ''; ; ) {
    const { body } = await search('search/messages', 'capybara', `&limit=4${cursor}`)
    seen.push(...body.data.map(({ id }: Json) => id))
    await say('capybara again', { at: api.clock.now })
    if (!body.next_cursor) break
    cursor = `&cursor=${body.next_cursor}`
  }
  t.same(seen, wanted)
})

t.test('a cursor goes on with the search it came from', async t => {
  const { body } = await search('search/messages', 'parcel', '&limit=1')
  isProblem(
    t,
    await search('search/messages', 'refund', `&limit=1&cursor=${body.next_cursor}`),
    400,
    'invalid-cursor',
    'q',
  )
  isProblem(
    t,
    await search('conversations', 'parcel', `&limit=1&cursor=${body.next_cursor}`),
    400,
    'invalid-cursor',
    'list',
  )
})

t.test('a word that very few said long ago is found, and one that many said then', async t => {
  for (let day = 1; day <= 3; day += 1) {
    await say(`axolotl ${day}`, { at: new Date(Date.UTC(2019, 0, day * 9)) })
  }
  // So many newer ones that the old ones are looked up by the index of words.
  await api.query(`
    insert into search_documents (workspace_id, id, kind, conversation_id, at, day, terms)
    select '${api.ours.workspace_id}', gen_random_uuid(), 'message', '${parcel.conversation}', at,
      floor(extract(epoch from at) / 86400), 'filler'
    from (select '2026-02-01'::timestamptz - n * interval '1 minute' as at from generate_series(1, 5000) n) s`)
  t.equal((await messages('axolotl')).length, 3)
  t.equal((await conversations('axolotl')).length, 3)
  t.equal((await messages('axolotl', '&sort=relevance')).length, 3)
  const first = (await search('search/messages', 'axolotl', '&limit=2')).body
  const rest = (await search('search/messages', 'axolotl', `&limit=2&cursor=${first.next_cursor}`)).body
  t.same(
    [...first.data, ...rest.data].map(({ id }: Json) => id),
    await messages('axolotl'),
  )
  t.equal(rest.next_cursor, null)
  t.same(await messages('axolotl after:2019-01-15'), (await messages('axolotl')).slice(0, 2))
})

t.test('a tag narrows a search at once, whatever its case', async t => {
  const [first, second] = await conversations('axolotl')
  for (const [id, tag] of [
    [first, 'Keeper'],
    [first, 'Late'],
    [second, 'Keeper'],
  ])
    t.equal((await api.call('PUT', `/v1/conversations/${id}/tags/${tag}`)).status, 200)
  t.same(await conversations('axolotl tag:keeper'), [first, second])
  t.same(await conversations('axolotl tag:KEEPER tag:late'), [first])
  t.same(
    (await search('conversations', 'axolotl', '&tag=late')).body.data.map(({ id }: Json) => id),
    [first],
  )
  t.equal((await messages('axolotl tag:keeper')).length, 2)
})

t.test('any text is answered, with results or with what is wrong about it', async t => {
  const fixed = [
    ...[
      "' OR 1=1--",
      '$$',
      '\\',
      '%27',
      "E'\\x27'",
      ':*',
      '!!!!',
      '& | ! ( ) : * <-> "',
      '<->',
      'a & b',
      '!a',
      'a:*',
      '()',
    ],
    ...['"""', '-', '--', 'or', 'from:', 'from:"', 'tag:vip', 'before:x', 'a\u0000b', '\ud800', '\u202e', 'ﷺ', '🦓'],
    ...['x'.repeat(1001), 'a '.repeat(400), 'a or '.repeat(150), `"${'a '.repeat(300)}"`, '-a', 'status:', 'a\\:*b'],
    ...[
      'www.example.com/a?b=c',
      'a@b.c',
      '1e999999999',
      '-0',
      '0x',
      '\u0300',
      'a \u0300',
      '((((',
      "''''",
      'a\\',
      "a'b",
      '%E0%A4%A',
    ],
  ]
  await changesNothing(t, api, async () => {
    for (const q of fixed) {
      for (const list of ['search/messages', 'conversations', 'search/contacts', 'search/messages?sort=relevance']) {
        const { status, text } = await search(list, q.toWellFormed())
        t.ok([200, 422].includes(status), `${list} ${q}: ${text}`)
      }
    }
    // What cannot be decoded is taken to the letter.
    for (const [raw, expected] of Object.entries({ '%E0%A4%A': 200, '%00': 422, '%': 422, '%ff': 200, 'a+b': 200 })) {
      t.equal((await api.call('GET', `/v1/search/messages?q=${raw}`)).status, expected, raw)
    }
    isProblem(t, await api.call('GET', '/v1/search/messages'), 422, 'validation-failed', 'no q')
    isProblem(t, await api.call('GET', '/v1/search/messages?q=a&x=1'), 400, 'invalid-request', 'unknown')
    isProblem(t, await search('search/messages', 'tag:vip'), 422, 'validation-failed', 'tag')
    isProblem(t, await search('search/messages', 'a channel:nowhere'), 422, 'validation-failed', 'channel')
  })
  const part = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.constantFrom(
      '"',
      '-',
      ' or ',
      ' ',
      'from:',
      'status:open',
      '!',
      '&',
      "'",
      '\\',
      ':*',
      '(',
      'parcel',
      'has:attachment',
    ),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 12 }), async parts => {
      const q = encodeURIComponent(parts.join('').toWellFormed())
      for (const list of ['search/messages', 'search/contacts']) {
        const { status } = await api.call('GET', `/v1/${list}?q=${q}`)
        if (status !== 200 && status !== 422) throw new Error(`${status} for ${list}?q=${q}: ${api.log.at(-2)}`)
      }
    }),
    { numRuns: 150 },
  )
})

t.test('of a text with more words than fit, the beginning is found', async t => {
  const words = Array.from({ length: 150_000 }, (_, index) => index.toString(36).padStart(4, 'q'))
  const said = await say(`yesteryear ${words.join(' ')}`)
  t.same(await messages('yesteryear'), [said.id])
  t.same(await messages(words[1_000]!), [said.id])
})
