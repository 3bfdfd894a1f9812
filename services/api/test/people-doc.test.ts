import { readFile } from 'node:fs/promises'
import t from 'tap'
import { type Json, testApi } from './helper.ts'

const page = await readFile(new URL('../../../docs/people.md', import.meta.url), 'utf8')

type Example = {
  method: string
  path: string
  headers: Record<string, string>
  body: string | undefined
  status: number
}

/** The curl commands of the page in their order, each with the status that it says answers it. */
function examples(): Example[] {
  const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, block]) => block!.replaceAll('\\\n', ' '))
  const found = blocks.flatMap(block => [...block.matchAll(/^curl (.*)\n# answers (\d{3})$/gm)])
  return found.map(([, command = '', status]) => ({
    method: /-X (\w+)/.exec(command)?.[1] ?? 'GET',
    path: /\$PARLEY([^\s"]+)/.exec(command)![1]!,
    headers: Object.fromEntries(
      [...command.matchAll(/-H ["']([^:]+): ([^"']+)["']/g)].map(([, name, value]) => [name!, value!]),
    ),
    body: /-d '(.*)'/.exec(command)?.[1],
    status: Number(status),
  }))
}

t.test('the commands of the page are answered as it says, from the first key to the audit', async t => {
  const api = await testApi(t)
  const values: Record<string, string> = { KEY: api.ours.key, INBOX: api.ours.inbox_id }
  const filled = (text: string) =>
    text.replace(/\$([A-Z]+)/g, (_, name) => values[name] ?? t.fail(`$${name} is known`).toString())
  const all = examples()
  t.ok(all.length >= 10, `${all.length} commands`)
  t.equal(all.length, [...page.matchAll(/^curl /gm)].length, 'each says what answers it')
  const answers: Json[] = []
  for (const { method, path, headers, body, status } of all) {
    const given = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, filled(value)]))
    const answer = await api.inject({
      method: method as 'GET',
      url: filled(path),
      headers: given,
      ...(body ? { payload: filled(body) } : {}),
    })
    t.equal(answer.status, status, `${method} ${path}: ${answer.text.slice(0, 300)}`)
    if (path === '/v1/sessions') values.SESSION = answer.body.token
    else if (answer.body.token) values.TOKEN = answer.body.token
    if (path === '/v1/invitations/accept') values.ANA = answer.body.user.id
    if (path === '/v1/teams') values.TEAM = answer.body.id
    answers.push(answer.body)
  }
  t.match(
    answers.find(answer => answer.session_id),
    { role: 'admin', user: { name: 'Ana' } },
  )
  t.match(answers.at(-1).data, [{ type: 'session.created' }])
})
