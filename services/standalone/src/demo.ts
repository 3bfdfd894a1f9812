import { setTimeout as delay } from 'node:timers/promises'
import { AGENTS, type DemoThread, demoDay } from './demo-day.ts'
import { type Rest, restClient } from './rest.ts'
import { createTrialChannel, type TrialChannel } from './welcome.ts'

type Listed = { id: string; subject: string | null; version: number }

/**
 * Fills in a day of conversations the way they really come: comments through the webhook, answers through the REST
 * API by three agents, their acceptance through the outbox.
 */
export async function fillDemo(url: string, rest: Rest, now: Date, say: (line: string) => void): Promise<void> {
  say('demo: connecting a shop')
  const { data: inboxes } = await rest<{ data: { id: string }[] }>('GET', '/v1/inboxes')
  const inbox_id = inboxes[0]!.id
  await promiseAnswers(rest, inbox_id, now)
  const agents = await createAgents(url, rest)
  const channel = await createTrialChannel(rest, inbox_id)
  const day = demoDay()
  const spoken = day.flatMap((thread, index) => thread.comments.map(comment => event(thread, index, comment, now)))
  say(`demo: ${spoken.length} comments come in`)
  await restClient(url, channel.bearer_secret)('POST', `/hooks/${channel.id}`, { events: spoken })
  const conversations = await untilListed(rest, channel, day.length, say)

  const work = day.flatMap((thread, index) => {
    const conversation = conversations.get(subjectOf(thread, index))
    return conversation ? [{ thread, index, conversation }] : []
  })
  say(`demo: ${AGENTS.join(', ')} answer`)
  for (const { thread, index, conversation } of work) {
    const path = `/v1/conversations/${conversation.id}`
    const agent = thread.reply && agents.get(thread.reply.agent)!
    if (thread.note) await rest('POST', `${path}/notes`, { body: thread.note })
    if (!agent || !thread.reply) continue
    await agent('POST', `${path}/claim`)
    const body = { body: thread.reply.text, resolve_after: thread.resolve ?? false }
    const key = { 'idempotency-key': `demo-reply-${index}` }
    const message = await agent<{ id: string }>('POST', `${path}/replies`, body, key)
    const ack = { external_id: `demo-reply-${index}` }
    await rest('POST', `/v1/channels/${channel.id}/outbox/${message.id}/ack`, ack)
  }
  const answered = work.filter(({ thread }) => thread.reply).length
  say(`demo: ${work.length} conversations, ${answered} answered, the others wait for you`)
}

async function promiseAnswers(rest: Rest, inbox_id: string, now: Date): Promise<void> {
  const weekly = [1, 2, 3, 4, 5, 6, 7].map(weekday => ({ weekday, opens: '00:00', closes: '24:00' }))
  const suffix = now.toISOString().slice(0, 19)
  const calendar = await rest<{ id: string }>('POST', '/v1/calendars', {
    name: `Around the clock ${suffix}`,
    definition: { time_zone: 'UTC', weekly },
  })
  const policy = await rest<{ id: string }>('POST', '/v1/sla/policies', {
    name: `Within the hour ${suffix}`,
    calendar_id: calendar.id,
    targets: { first_response: { seconds: 3600, warn_before_seconds: [600] }, next_response: { seconds: 7200 } },
    enforce_from: '2020-01-01T00:00:00Z',
  })
  await rest('PATCH', `/v1/inboxes/${inbox_id}`, { sla_policy_id: policy.id })
}

async function createAgents(url: string, rest: Rest): Promise<Map<string, Rest>> {
  const agents = new Map<string, Rest>()
  const { data: users } = await rest<{ data: { id: string; name: string }[] }>('GET', '/v1/users')
  for (const name of AGENTS) {
    const known = users.find(candidate => candidate.name === name)
    const user = known ?? (await rest<{ id: string }>('POST', '/v1/users', { name, role: 'agent' }))
    const body = { name: `${name} (demo)`, role: 'agent', user_id: user.id }
    const { key } = await rest<{ key: string }>('POST', '/v1/api_keys', body)
    agents.set(name, restClient(url, key))
  }
  return agents
}

const subjectOf = (thread: DemoThread, index: number) => `${thread.post} #${index + 1}`

function event(thread: DemoThread, index: number, comment: DemoThread['comments'][number], now: Date) {
  const created_at = new Date(now.getTime() - comment.minutes_ago * 60_000).toISOString()
  const position = thread.comments.indexOf(comment as never)
  return {
    type: 'message.received',
    data: {
      external_id: `demo-${index}-${position}`,
      thread_id: `demo-${index}`,
      kind: 'comment',
      author: { platform_id: comment.author, name: comment.author },
      text: comment.text,
      created_at,
      subject: { title: subjectOf(thread, index) },
    },
  }
}

async function untilListed(
  rest: Rest,
  channel: TrialChannel,
  count: number,
  say: (line: string) => void,
): Promise<Map<string | null, Listed>> {
  for (let tries = 0; tries < 200; tries += 1) {
    const path = `/v1/conversations?channel_id=${channel.id}&limit=100`
    const { data } = await rest<{ data: Listed[] }>('GET', path)
    if (data.length >= count) return new Map(data.map(row => [row.subject, row]))
    await delay(100)
  }
  say('demo: the comments are stored and appear as the worker gets to them')
  return new Map()
}
