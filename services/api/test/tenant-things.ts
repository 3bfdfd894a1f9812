import {
  addAttachment,
  addChannel,
  addConversation,
  addKey,
  addNotification,
  addParked,
  addPost,
  addSession,
  type Json,
  type Tenant,
  type TestApi,
  triage,
} from './helper.ts'

/** One of everything that has an id, by the name of what it is. */
export type Things = Record<string, string>

/** What has no name of its own. */
const UNNAMED = ['/v1/invitations', '/v1/tasks', '/v1/attributes']
const TASK = { title: 'Call them', due_at: '2027-01-07T09:00:00Z' }

/** Makes one of everything in a workspace; what belongs to an inbox, in the tenant's. */
export async function addThings(api: TestApi, tenant: Tenant): Promise<Things> {
  const headers = { authorization: `Bearer ${tenant.key}` }
  let names = 0
  const make = async (path: string, body: Json) => {
    names += 1
    const named = UNNAMED.includes(path) ? body : { ...body, name: `Thing ${names} ${Math.random()}` }
    const made = await api.call('POST', path, named, headers)
    if (made.status !== 201) throw new Error(`${path}: ${made.text}`)
    return made.body.id as string
  }
  const channel = await addChannel(api, tenant)
  const conversation = await addConversation(api, tenant, channel)
  const person = await addConversation(api, tenant, channel)
  await triage(api, tenant, conversation.messages)
  const dismissal = { action: 'dismiss', reason: 'Only thanks', conversation_id: conversation.id }
  const idempotent = { ...headers, 'idempotency-key': `dismissal-${conversation.id}` }
  const batch = await api.call('POST', '/v1/messages/bulk', dismissal, idempotent)
  const post = async (path: string) => (await api.call('POST', path, undefined, headers)).body.id as string
  const acting = await addKey(api.db, tenant.workspace_id, 'agent')
  const calendar = await make('/v1/calendars', {
    definition: { time_zone: 'UTC', weekly: [{ weekday: 1, opens: '09:00', closes: '17:00' }] },
  })
  return {
    inbox: tenant.inbox_id,
    channel: channel.id,
    conversation: conversation.id,
    message: conversation.messages[0]!,
    post: await addPost(api, tenant, channel),
    parked: await addParked(api, tenant, channel),
    attachment: (await addAttachment(api, tenant)).id,
    'saved reply': await make('/v1/saved_replies', { body: 'Hello', inbox_id: tenant.inbox_id }),
    team: await make('/v1/teams', {}),
    user: acting.user_id!,
    'API key': acting.id,
    session: (await addSession(api, tenant.workspace_id, acting.user_id!)).id,
    calendar,
    tag: await make('/v1/tags', {}),
    attribute: await make('/v1/attributes', {
      key: `a${Math.random().toString(36).slice(2)}`,
      label: 'Tier',
      applies_to: 'conversation',
      type: 'text',
    }),
    contact: conversation.contact_id,
    'contact export': await post(`/v1/contacts/${conversation.contact_id}/export`),
    'contact erasure': await post(`/v1/contacts/${person.contact_id}/erase`),
    notification: await addNotification(api, tenant, conversation.id),
    task: await make('/v1/tasks', { ...TASK, conversation_id: conversation.id }),
    'expert link': await make(`/v1/conversations/${conversation.id}/expert_links`, { question: 'Is that so?' }),
    'message batch': batch.body.id,
    view: await make('/v1/views', { scope: 'workspace', filter: {} }),
    macro: await make('/v1/macros', {
      scope: 'workspace',
      actions: [{ type: 'set_status', status: 'resolved' }],
    }),
    'conversation batch': await addBatch(api, conversation.id, headers),
    rule: await make('/v1/rules', {
      inbox_ids: [tenant.inbox_id],
      triggers: ['sla.breached'],
      actions: [{ type: 'set_priority', priority: 'high' }],
    }),
    invitation: await make('/v1/invitations', { email: `ana${Math.random()}@example.com`, role: 'agent' }),
    policy: await make('/v1/sla/policies', { calendar_id: calendar, targets: { first_response: { seconds: 60 } } }),
  }
}

/** A bulk call that is kept, of one conversation. */
async function addBatch(api: TestApi, id: string, headers: Record<string, string>): Promise<string> {
  const body = { ids: [id], actions: [{ type: 'set_priority', priority: 'normal' }] }
  const key = `thing-${Math.random()}`
  return (await api.call('POST', '/v1/conversations/bulk', body, { ...headers, 'idempotency-key': key })).body.batch_id
}

/** What the first id of a path names, by the collection before it. */
const COLLECTIONS: Record<string, string> = {
  inboxes: 'inbox',
  channels: 'channel',
  conversations: 'conversation',
  messages: 'message',
  message_batches: 'message batch',
  posts: 'post',
  attachments: 'attachment',
  saved_replies: 'saved reply',
  teams: 'team',
  users: 'user',
  api_keys: 'API key',
  sessions: 'session',
  tags: 'tag',
  attributes: 'attribute',
  views: 'view',
  macros: 'macro',
  rules: 'rule',
  conversation_batches: 'conversation batch',
  contacts: 'contact',
  contact_erasures: 'contact erasure',
  contact_exports: 'contact export',
  invitations: 'invitation',
  feeds: 'message',
  tasks: 'task',
  calendars: 'calendar',
  sla: 'policy',
}
/** What another id of a path names, by its own name. */
const PARAMETERS: Record<string, string> = {
  message_id: 'message',
  event_id: 'parked',
  user_id: 'user',
  team_id: 'team',
  action_id: 'message',
  note_id: 'message',
  macro_id: 'macro',
  failure_id: 'message',
  link_id: 'expert link',
}
/** What a path calls by a name, which is the same in every workspace. */
const NAMES: Record<string, string> = { tag: 'refund', consumer: 'search', report: 'volume' }

/** What the ids of a path name, in their order. Fails for one that nobody has listed. */
export function namedBy(path: string): string[] {
  const collection = COLLECTIONS[path.split('/')[2]!]
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].filter(([, parameter]) => !NAMES[parameter!])
  return parameters.map(([, parameter]) => {
    const thing = parameter === 'id' ? collection : PARAMETERS[parameter!]
    if (!thing) throw new Error(`nobody has listed what {${parameter}} is in ${path}`)
    return thing
  })
}

/** A path with its ids filled in, in their order. */
export const fill = (path: string, ids: string[]): string => {
  let next = 0
  return path.replace(/\{(\w+)\}/g, (_, parameter: string) => NAMES[parameter] ?? ids[next++]!)
}
