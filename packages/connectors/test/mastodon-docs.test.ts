import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { mastodonConnector } from '../src/mastodon/index.ts'

const page = readFileSync(new URL('../../../docs/channels/mastodon.md', import.meta.url), 'utf8')

test('the example of the documentation is one that is accepted', t => {
  const [, example] = /```json\n([^`]+)```/.exec(page) ?? []
  const { kind, settings, credentials } = JSON.parse(example!)
  t.equal(kind, mastodonConnector.kind)
  t.same(mastodonConnector.settingsSchema.parse(settings), settings)
  t.same(mastodonConnector.credentialsSchema.parse(credentials), credentials)
  t.end()
})

test('every setting and credential is documented, and no other', t => {
  const keysOf = (schema: unknown) => Object.keys((schema as { shape: Record<string, unknown> }).shape)
  const { settingsSchema, credentialsSchema } = mastodonConnector
  const tables = page.slice(page.indexOf('| setting |'), page.indexOf('Parley asks the server at once'))
  const documented = [...tables.matchAll(/^\| (`.+?) \|/gm)].flatMap(([, names]) => [...names!.matchAll(/`(\w+)`/g)])
  t.same(
    documented.map(([, name]) => name),
    [...keysOf(settingsSchema), ...keysOf(credentialsSchema)],
  )
  t.end()
})
