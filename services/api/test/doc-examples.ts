import type { Test } from 'tap'
import type { Json, TestApi } from './helper.ts'

type Example = { method: string; path: string; headers: Record<string, string>; status: number; body: string }

/** The requests of a page, in their order: first line, headers, the status that answers it, and the body. */
function examplesOf(page: string): Example[] {
  return [...page.matchAll(/^```http\n([\s\S]*?)^```/gm)].map(([, block]) => {
    const [head = '', body = ''] = block!.split(/\n\n([\s\S]*)/)
    const [request = '', ...lines] = head.trim().split('\n')
    const [method = '', path = ''] = request.split(' ')
    const status = Number(/^# answers (\d{3})$/m.exec(head)?.[1])
    const given = lines.filter(line => !line.startsWith('#')).map(line => line.split(': ') as [string, string])
    return { method, path, headers: Object.fromEntries(given), status, body }
  })
}

/**
 * Runs the requests of a page, one after the other; what is in braces is filled in. `before` is called by path, `after`
 * by method and path with the answer.
 */
export async function follow(
  t: Test,
  api: TestApi,
  page: string,
  values: Record<string, string>,
  before: Json = {},
  after: Json = {},
) {
  const filled = (text: string) => text.replaceAll(/\{(\w+)\}/g, (all, name) => values[name] ?? all)
  const examples = examplesOf(page)
  t.ok(examples.length >= 2)
  const answers: Json[] = []
  for (const { method, path, headers, status, body } of examples) {
    await before[path]?.()
    const given = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, filled(value)]))
    // As whoever copies them sends them: with the type of a body, whether or not there is one.
    const typed = { 'content-type': 'application/json', ...given }
    const answer = await api.call(method, filled(path), body ? filled(body) : undefined, typed)
    t.equal(answer.status, status, `${method} ${path}: ${answer.text.slice(0, 300)}`)
    if (method === 'POST' && path === '/v1/channels') values.channel_id = answer.body.id
    await after[`${method} ${path}`]?.(answer.body)
    answers.push(answer.body)
  }
  return answers
}
