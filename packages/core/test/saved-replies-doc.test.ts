import { readFile } from 'node:fs/promises'
import { REPLY_VARIABLES, type ReplyValues } from '@parley/domain'
import t from 'tap'
import { checkTemplate, renderTemplate } from '../src/reply-template.ts'

const document = await readFile(new URL('../../../docs/saved-replies.md', import.meta.url), 'utf8')
/** The rows of the table under that head, cell by cell; the ticks of code are left out. */
const tableUnder = (head: string): string[][] => {
  const [rows] = document.slice(document.indexOf(`| ${head} |`)).split('\n\n')
  const cells = (row: string) =>
    row
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map(cell =>
        cell
          .trim()
          .replace(/^`(.*)`$/, '$1')
          .replaceAll('\\|', '|'),
      )
  return rows!.split('\n').slice(2).map(cells)
}

t.test('the document shows what templates do', async t => {
  const known: Partial<ReplyValues> = {
    'contact.name': 'Ana Silva',
    'contact.first_name': 'Ana',
    'agent.first_name': 'Ben',
    'channel.kind': 'bluesky',
    'workspace.name': 'Shop',
  }
  const nothing = Object.fromEntries(Object.keys(REPLY_VARIABLES).map(name => [name, undefined])) as ReplyValues
  const examples = tableUnder('template')
  t.ok(examples.length >= 7)
  for (const [template, text, missing] of examples) {
    checkTemplate(template!)
    const rendered = renderTemplate(template!, { ...nothing, ...known })
    t.same(rendered, { body: text, missing: missing ? [missing] : [] }, template!)
  }
})

t.test('the document lists the variables that there are', async t => {
  t.same(tableUnder('variable'), Object.entries(REPLY_VARIABLES))
})
