import { readFileSync } from 'node:fs'
import t from 'tap'
import { follow } from './doc-examples.ts'
import { addChannel, addConversation, addKey, type Json, testApi } from './helper.ts'

const page = readFileSync(new URL('../../../docs/agents.md', import.meta.url), 'utf8')

t.test("the requests of an agent's day are answered as the page says, to somebody who is an agent", async t => {
  const api = await testApi(t)
  const { id, contact_id, messages } = await addConversation(api, api.ours, await addChannel(api))
  const agent = await addKey(api.db, api.ours.workspace_id, 'agent')
  const colleague = await addKey(api.db, api.ours.workspace_id, 'agent')
  const values: Record<string, string> = {
    inbox_id: api.ours.inbox_id,
    conversation_id: id,
    contact_id,
    last_message_id: messages.at(-1)!,
    user_id: agent.user_id!,
    colleague_id: colleague.user_id!,
  }
  const after = {
    'GET /v1/conversations/{conversation_id}': (conversation: Json) => {
      values.version = conversation.version
    },
  }
  const asAgent = {
    ...api,
    call: (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
      api.call(method, path, body, { ...headers, authorization: `Bearer ${agent.key}` }),
  }
  const answers = await follow(t, asAgent, page, values, {}, after)
  const next = answers.findIndex(answer => answer.claim_expires_at)
  t.match(answers[next], { id, assignee_id: agent.user_id }, 'the next one is theirs')
  t.match(answers[next - 1].data, [{ id, assignee_id: null }], 'it was on the list')
  t.match(
    answers.find(answer => answer.state === 'queued'),
    { direction: 'outbound', author_id: agent.user_id },
  )
  t.match(answers.at(-2), { id, assignee_id: colleague.user_id, status: 'pending', priority: 'normal' }, 'handed over')
})
