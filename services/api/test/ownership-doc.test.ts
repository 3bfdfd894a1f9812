import { readFileSync } from 'node:fs'
import { ASSIGNMENT_REASONS, EXCLUSIONS, ROUTING_MODES } from '@parley/domain'
import t from 'tap'
import { follow } from './doc-examples.ts'
import { addChannel, addConversation, testApi } from './helper.ts'

const page = readFileSync(new URL('../../../docs/ownership.md', import.meta.url), 'utf8')

t.test('the requests of the page about ownership are answered as it says', async t => {
  const api = await testApi(t)
  const { id } = await addConversation(api, api.ours, await addChannel(api))
  const team = await api.call('POST', '/v1/teams', { name: 'Mornings' })
  const values = { inbox_id: api.ours.inbox_id, conversation_id: id, team_id: team.body.id }
  const answers = await follow(t, api, page, values)
  t.match(answers[0], { claim_lease_seconds: 1800, routing: { mode: 'manual' } })
  const lapses = new Date(api.clock.now.getTime() + 1_800_000).toISOString()
  t.match(answers[1], { id, claim_expires_at: lapses })
  t.match(answers[4], { id, team_id: team.body.id, assignee_id: answers[1].assignee_id })
  t.match(answers[5], { routing: { mode: 'least_loaded', required_skills: [], tag_skills: { refund: 'money' } } })
  t.match(answers[6].data, [{ assignee_id: answers[1].assignee_id, reason: 'next', decision: null }])
})

t.test('the page names every reason, every mode, and all that excludes somebody', async t => {
  for (const word of [...ASSIGNMENT_REASONS, ...ROUTING_MODES, ...EXCLUSIONS]) t.ok(page.includes(`\`${word}\``), word)
})
