import { generateApiKey, hashToken, insertApiKey, insertUser, newId } from '@parley/db'
import { below, type Random, restClient, seededRandom } from '@parley/testing'
import type { World } from './world.ts'

// biome-ignore lint/suspicious/noExplicitAny: answers are read as a client reads them
type Json = any
type Answer = { status: number; body: Json; headers: Headers }

/** One thing that an agent tried. Without an answer nobody can say whether it happened. */
export type Act = {
  kind: 'claim' | 'next' | 'assign' | 'change' | 'note' | 'reply' | 'availability'
  agent: string
  conversation_id?: string
  /** undefined: the answer was lost. */
  status: number | undefined
  /** Of an assignment: the owner that was seen, and the one that was wanted. */
  from?: string | null
  to?: string | null
  /** Of a change: the version that it was made to, and the one it made. */
  version?: number
  made?: number
  /** Of a reply or a note: its text, and the last message that its author had seen. */
  text?: string
  seen_up_to?: string
  problem?: string
}

export type Agent = { id: string; key: string; random: Random; diary: Act[] }

/** So many people, each with a key that acts as them. */
export async function addAgents(world: World, count: number): Promise<Agent[]> {
  const now = new Date()
  return world.db.inWorkspace(world.workspace_id, async trx => {
    const agents: Agent[] = []
    for (let index = 0; index < count; index += 1) {
      const [id, key] = [newId(now), generateApiKey()]
      // One in twenty leads; who leads hands conversations of others around.
      const role = index % 20 === 0 ? 'lead' : 'agent'
      await insertUser(trx, { id, name: `Agent ${index}`, email: null, role, created_at: now })
      await insertApiKey(trx, {
        id: newId(now),
        name: `Agent ${index}`,
        role,
        user_id: id,
        key_hash: hashToken(key),
        key_hint: key.slice(-4),
        created_at: now,
      })
      agents.push({ id, key, random: seededRandom(world.seed * 1_000 + index), diary: [] })
    }
    return agents
  })
}

/** One agent's day: so many things, each drawn at random from what agents do, one after the other. */
export async function workDay(world: World, agent: Agent, everybody: Agent[], steps: number): Promise<void> {
  const client = restClient(world.address, agent.key)
  const { random, diary } = agent
  let tried = 0
  const key = () => {
    tried += 1
    return { 'idempotency-key': `${agent.id}-${tried}` }
  }
  /** A request whose answer is lost is sent again where its key makes that safe. */
  const post = async (path: string, body?: unknown): Promise<Answer | undefined> => {
    const headers = key()
    for (let tries = 0; tries < 20; tries += 1) {
      const answer = await client.post(path, body, headers).catch(() => undefined)
      if (answer && ![502, 503].includes(answer.status)) return answer
      await new Promise(resolve => setTimeout(resolve, 250))
    }
    return undefined
  }
  const once = (call: Promise<Answer>): Promise<Answer | undefined> => call.catch(() => undefined)
  const note = (act: Omit<Act, 'agent' | 'status'>, answer: Answer | undefined) => {
    const problem = answer && answer.status >= 400 ? String(answer.body?.type).split(':').at(-1)! : undefined
    diary.push({ ...act, agent: agent.id, status: answer?.status, ...(problem ? { problem } : {}) })
  }
  const pick = <T>(all: T[]): T | undefined => all[below(random, all.length)]
  const list = async (query: string): Promise<Json[]> =>
    (await once(client.get(`/v1/conversations?limit=20&${query}`)))?.body?.data ?? []

  const assign = async (conversation: Json, to: string | null) => {
    const { id: conversation_id, assignee_id: from } = conversation
    const answer = await once(client.put(`/v1/conversations/${conversation_id}/assignee`, { from, assignee_id: to }))
    note({ kind: 'assign', conversation_id, from, to }, answer)
  }
  const claim = async () => {
    const found = pick(await list('assignee_id=none&status=open&sort=urgency'))
    if (!found) return
    const answer = await post(`/v1/conversations/${found.id}/claim`)
    note({ kind: 'claim', conversation_id: found.id, from: null, to: agent.id }, answer)
  }
  const takeNext = async () => {
    const answer = await post(`/v1/inboxes/${world.inbox_id}/next`)
    const conversation_id = answer?.status === 200 ? answer.body.id : undefined
    note({ kind: 'next', ...(conversation_id ? { conversation_id, from: null, to: agent.id } : {}) }, answer)
  }
  const reply = async (conversation_id: string) => {
    const messages = (await once(client.get(`/v1/conversations/${conversation_id}/messages?limit=100`)))?.body?.data
    const seen_up_to = messages?.at(-1)?.id
    if (!seen_up_to) return
    const text = `answer ${diary.length} of ${agent.id}`
    const resolve_after = below(random, 3) === 0
    const answer = await post(`/v1/conversations/${conversation_id}/replies`, { body: text, seen_up_to, resolve_after })
    note({ kind: 'reply', conversation_id, text, seen_up_to }, answer)
  }
  const change = async (conversation_id: string) => {
    const read = await once(client.get(`/v1/conversations/${conversation_id}`))
    if (read?.status !== 200) return
    const patch = pick([{ status: 'pending' }, { status: 'open' }, { status: 'resolved' }, { priority: 'high' }])
    const { version } = read.body
    const answer = await once(
      client.patch(`/v1/conversations/${conversation_id}`, patch, { 'if-match': `"${version}"` }),
    )
    note({ kind: 'change', conversation_id, version, made: answer?.body?.version }, answer)
  }
  const leave = async () => {
    for (const availability of ['out_of_office', 'available']) {
      note({ kind: 'availability' }, await once(client.put('/v1/me/availability', { availability })))
    }
  }
  const workOn = async () => {
    const mine = pick(await list('assignee_id=me'))
    if (!mine) return takeNext()
    const what = below(random, 10)
    if (what < 4) return reply(mine.id)
    if (what < 6) return change(mine.id)
    if (what < 7) return assign(mine, null)
    if (what < 8) return assign(mine, pick(everybody)!.id)
    const text = `note ${diary.length} of ${agent.id}`
    note(
      { kind: 'note', conversation_id: mine.id, text },
      await post(`/v1/conversations/${mine.id}/notes`, { body: text }),
    )
  }
  /** Whatever somebody else is at: what was seen of it may be old by then. */
  const meddle = async () => {
    const found = pick(await list('sort=newest'))
    if (!found) return
    if (below(random, 2) === 0) return change(found.id)
    return assign(found, pick(everybody)!.id)
  }

  for (let step = 0; step < steps; step += 1) {
    const what = below(random, 100)
    if (what < 25) await takeNext()
    else if (what < 40) await claim()
    else if (what < 88) await workOn()
    else if (what < 98) await meddle()
    else await leave()
  }
}
