import { readFileSync } from 'node:fs'
import { indexContacts, indexMessages } from '@parley/db'
import t from 'tap'
import { addChannel, addConversation, addCustomerMessage, type Json, testApi } from './helper.ts'

const page = readFileSync(new URL('../../../docs/search.md', import.meta.url), 'utf8')

/** The rows of the table that has this header, as their cells. */
function tableOf(header: string): string[][] {
  const lines = page.slice(page.indexOf(header)).split('\n')
  const rows = lines.slice(2, lines.indexOf(''))
  return rows.map(row =>
    row
      .split('|')
      .slice(1, -1)
      .map(cell => cell.trim()),
  )
}
const searchOf = (cell: string) => /^`(.*)`$/.exec(cell)![1]!

const api = await testApi(t)
api.clock.now = new Date('2026-04-01T00:00:00Z')
const channel = await addChannel(api)
await api.query(`update inboxes set name = 'Inbox of the shop' where id = '${api.ours.inbox_id}'`)
await api.call('POST', '/v1/tags', { name: 'Late' })
const letters = new Map<string, string>()
for (const [letter, name, day, body] of tableOf('| | from | on | text |') as [string, string, string, string][]) {
  const at = new Date(`${day}T12:00:00Z`)
  const conversation = await addConversation(api, api.ours, channel, { at, messages: 0 })
  await api.db.inWorkspace(api.ours.workspace_id, async trx => {
    const place = { conversation_id: conversation.id, channel_id: channel.id, contact_id: conversation.contact_id }
    const id = await addCustomerMessage(trx, place, at)
    await trx.updateTable('messages').set({ body }).where('id', '=', id).execute()
    await trx.updateTable('contacts').set({ name }).where('id', '=', conversation.contact_id).execute()
    await indexMessages(trx, [id])
    await indexContacts(trx, [conversation.contact_id])
    letters.set(id, letter)
  })
}
const search = (q: string) => api.call('GET', `/v1/search/messages?q=${encodeURIComponent(q)}`)

t.test('each search of the page finds what it says', async t => {
  const examples = tableOf('| search | finds | |')
  t.ok(examples.length >= 10)
  for (const [cell, finds] of examples as [string, string][]) {
    const { status, body, text } = await search(searchOf(cell))
    t.equal(status, 200, text)
    const found = body.data.map(({ id }: Json) => letters.get(id))
    t.equal(found.join(', ') || '–', finds, cell)
  }
})

t.test('each refusal of the page is given, in these words', async t => {
  const examples = tableOf('| search | why |')
  t.ok(examples.length >= 5)
  for (const [cell, why] of examples as [string, string][]) {
    const { status, body } = await search(searchOf(cell))
    t.same([status, body.detail], [422, why], cell)
  }
})
