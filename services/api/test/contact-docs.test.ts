import { readFileSync } from 'node:fs'
import t from 'tap'
import { follow } from './doc-examples.ts'
import { type Json, testApi } from './helper.ts'

const page = readFileSync(new URL('../../../docs/contacts.md', import.meta.url), 'utf8')

t.test('the requests of the page about contacts are answered as it says', async t => {
  const api = await testApi(t)
  const other = (await api.call('POST', '/v1/contacts', { name: 'Ana on another network' })).body
  const values: Record<string, string> = { other_id: other.id }
  // An erased contact is not exported: the page ends with another one.
  const before = {
    '/v1/contacts/{contact_id}/export': async () => {
      values.contact_id = (await api.call('POST', '/v1/contacts', { name: 'Ben' })).body.id
    },
  }
  const keep = (name: string, field: string) => (answer: Json) => {
    values[name] = answer[field]
  }
  const after = {
    'POST /v1/contacts': keep('contact_id', 'id'),
    'POST /v1/contacts/{contact_id}/merge': keep('merge_id', 'merge_id'),
    'POST /v1/contacts/{contact_id}/erase': keep('erasure_id', 'id'),
  }
  const answers = await follow(t, api, page, values, before, after)
  const found = answers.find(answer => Array.isArray(answer.data))
  t.same(found.data.map(({ name }: Json) => name).sort(), ['Ana Silva', 'Ana on another network'])
  t.match(
    answers.find(answer => answer.version === 2),
    { language: 'de', attributes: { tier: 'gold', orders: 4 } },
  )
})

t.test('the page names every path about contacts and every event', async t => {
  const api = await testApi(t)
  const document = (await api.inject({ method: 'GET', url: '/openapi.json' })).body
  const paths = Object.keys(document.paths).filter(path => path.startsWith('/v1/contact'))
  t.ok(paths.length >= 13, `${paths.length} paths`)
  const said = page.replaceAll(/\{\w+\}/g, '{}')
  for (const path of paths.filter(path => !path.includes('note_id'))) {
    const plain = path.replaceAll(/\{\w+\}/g, '{}')
    t.ok(said.includes(plain), plain)
  }
  for (const type of document.components.schemas.Event.properties.type.enum as string[]) {
    if (type.startsWith('contact.')) t.ok(page.includes(`\`${type}\``), type)
  }
})
