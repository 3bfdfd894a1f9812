import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const readme = readFileSync(`${ROOT}README.md`, 'utf8')

t.test('the README documents every variable that is read, and no other', async t => {
  const source = readFileSync(`${ROOT}packages/config/src/env.ts`, 'utf8')
  const read = [...source.matchAll(/^ {2}([A-Z][A-Z0-9_]+):/gm)].map(match => match[1]).sort()
  const documented = [...readme.matchAll(/^\| `([A-Z][A-Z0-9_]+)` \|/gm)].map(match => match[1]).sort()
  t.ok(read.length > 5)
  t.same(documented, read)
})

t.test('the README maps every workspace', async t => {
  for (const parent of ['packages', 'services']) {
    for (const name of readdirSync(ROOT + parent))
      t.ok(readme.includes(`| \`${parent}/${name}\` |`), `${parent}/${name}`)
  }
})

t.test('every link in the documents leads somewhere', async t => {
  const documents = [
    'README.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    'SECURITY.md',
    'docs/attachments.md',
    'docs/decisions/README.md',
  ]
  for (const name of readdirSync(`${ROOT}docs/channels`)) documents.push(`docs/channels/${name}`)
  for (const document of documents) {
    const text = readFileSync(ROOT + document, 'utf8')
    for (const [, target] of text.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
      const path = fileURLToPath(new URL(target!, new URL(document, `file://${ROOT}`)))
      t.doesNotThrow(() => readFileSync(path), `${document}: ${target}`)
    }
  }
})
