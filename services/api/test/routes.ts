import type { Json, TestApi } from './helper.ts'

export type Route = { method: string; path: string; role: string | undefined; operation: Json }

/** Every documented route, as the API itself describes it. */
export async function documentedRoutes(api: TestApi): Promise<Route[]> {
  const { paths } = (await api.inject({ method: 'GET', url: '/openapi.json' })).body
  return Object.entries<Json>(paths).flatMap(([path, methods]) =>
    Object.entries<Json>(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      role: operation['x-role'],
      operation,
    })),
  )
}

/** A body that the route's schema takes, so that what stands behind the schema answers. */
export function bodyFor(route: Route, ids: Json): Json {
  const bodies: Record<string, Json> = {
    'POST /v1/inboxes': { name: `Inbox ${Math.random()}` },
    'PATCH /v1/inboxes/{id}': { name: `Inbox ${Math.random()}` },
    'POST /v1/channels': { kind: 'generic', name: 'Shop', inbox_id: ids.inbox },
    'PATCH /v1/channels/{id}': { poll_seconds: 60 },
    'POST /v1/channels/{id}/reconnect': { credentials: {} },
    'POST /v1/channels/{id}/backfill': { days: 7 },
    'POST /v1/users': { name: 'Ana', role: 'agent' },
    'POST /v1/api_keys': { name: 'Robot', role: 'agent' },
    'POST /v1/api_keys/{id}/rotate': {},
    'PATCH /v1/users/{id}': { name: 'Ana' },
    'PATCH /v1/me': { name: 'Ana' },
    'PUT /v1/me/availability': { availability: 'away' },
    'POST /v1/invitations': { email: `ana${Math.random()}@example.com`, role: 'agent' },
    'POST /v1/invitations/accept': { token: 'none', name: 'Ana', password: 'a password of hers' },
    'POST /v1/password_resets/accept': { token: 'none', new_password: 'a password of hers' },
    'POST /v1/sessions': { email: 'ana@example.com', password: 'a password of hers' },
    'PUT /v1/me/password': { password: 'a password of hers', new_password: 'another password of hers' },
    'POST /v1/me/totp': { password: 'a password of hers' },
    'POST /v1/me/totp/remove': { password: 'a password of hers' },
    'POST /v1/me/totp/confirm': { code: '123456' },
    'POST /v1/teams': { name: `Team ${Math.random()}` },
    'PATCH /v1/teams/{id}': { name: `Team ${Math.random()}` },
    'POST /v1/calendars': {
      name: `Office ${Math.random()}`,
      definition: { time_zone: 'UTC', weekly: [{ weekday: 1, opens: '09:00', closes: '17:00' }] },
    },
    'PATCH /v1/calendars/{id}': { name: `Office ${Math.random()}` },
    'POST /v1/calendars/import': {
      calendars: [
        {
          name: `Office ${Math.random()}`,
          definition: { time_zone: 'UTC', weekly: [{ weekday: 1, opens: '09:00', closes: '17:00' }] },
        },
      ],
    },
    'POST /v1/calendars/preview': {
      definition: { time_zone: 'UTC', weekly: [{ weekday: 1, opens: '09:00', closes: '17:00' }] },
      from: '2027-01-04T00:00:00Z',
      to: '2027-01-11T00:00:00Z',
    },
    'POST /v1/calendars/{id}/holidays/import': { country: 'DE', years: [2027] },
    'POST /v1/sla/policies': {
      name: `Hour ${Math.random()}`,
      calendar_id: ids.calendar,
      targets: { first_response: { seconds: 60 } },
    },
    'POST /v1/sla/policies/import': {
      policies: [{ name: `Hour ${Math.random()}`, calendar: 'Office', targets: { first_response: { seconds: 60 } } }],
    },
    'POST /v1/sla/recalculate': { dry_run: true },
    'PATCH /v1/sla/policies/{id}': { name: `Hour ${Math.random()}` },
    'PUT /v1/conversations/{id}/draft': { body: 'Hello' },
    'POST /v1/conversations/{id}/notes': { body: 'Hello' },
    'POST /v1/me/notifications/read': { ids: ['00000000-0000-7000-8000-000000000000'] },
    'POST /v1/tasks': {
      title: 'Call them',
      due_at: '2027-01-07T09:00:00Z',
      conversation_id: ids.conversation ?? '00000000-0000-7000-8000-000000000000',
    },
    'POST /v1/conversations/{id}/expert_links': { name: 'Dr. Reed', question: 'Is that so?' },
    'POST /v1/expert_links/read': { token: 'none' },
    'POST /v1/expert_links/answer': { token: 'none', body: 'Yes.' },
    'PATCH /v1/tasks/{id}': { title: 'Call them' },
    'POST /v1/conversations/{id}/merge': { from_id: '00000000-0000-7000-8000-000000000000' },
    'POST /v1/conversations/{id}/split': { message_ids: ['00000000-0000-7000-8000-000000000000'] },
    'POST /v1/conversations/{id}/replies': { body: 'Hello' },
    'POST /v1/conversations/{id}/messages/{message_id}/actions': { verb: 'like' },
    'PUT /v1/messages/{id}/triage': { sentiment: 'complaint' },
    'POST /v1/conversations/{id}/messages/{message_id}/dismiss': { reason: 'Only thanks' },
    'PUT /v1/dismissal_reasons': { reasons: [] },
    'POST /v1/messages/{id}/flag': { reason: 'Insults' },
    'POST /v1/messages/{id}/mark_sent': {},
    'POST /v1/messages/{id}/mark_not_sent': {},
    'PATCH /v1/conversations/{id}': { status: 'open' },
    'PUT /v1/conversations/{id}/assignee': { assignee_id: null, from: null },
    'PUT /v1/conversations/{id}/team': { team_id: null, from: null },
    'PUT /v1/conversations/{id}/read': {},
    'PUT /v1/conversations/{id}/presence': { state: 'viewing' },
    'POST /v1/tags': { name: `Tag ${Math.random()}` },
    'PATCH /v1/tags/{id}': { color: '#3b6ea8' },
    'POST /v1/attributes': {
      key: `a${Math.random().toString(36).slice(2)}`,
      label: 'Tier',
      applies_to: 'conversation',
      type: 'text',
    },
    'PATCH /v1/attributes/{id}': { label: 'Level' },
    'POST /v1/views': { name: 'Open', filter: { status: ['open'] } },
    'PATCH /v1/views/{id}': { name: 'Open' },
    'POST /v1/conversations/bulk': {
      ids: ['00000000-0000-7000-8000-000000000000'],
      actions: [{ type: 'set_priority', priority: 'high' }],
    },
    'POST /v1/messages/bulk': {
      action: 'dismiss',
      reason: 'Only thanks',
      message_ids: ['00000000-0000-7000-8000-000000000000'],
    },
    'POST /v1/macros': { name: 'Close', actions: [{ type: 'set_status', status: 'resolved' }] },
    'PATCH /v1/macros/{id}': { name: 'Close' },
    'POST /v1/conversations/{id}/macros/{macro_id}/run': { dry_run: true },
    'POST /v1/rules': {
      name: 'Late',
      inbox_ids: [ids.inbox],
      triggers: ['sla.breached'],
      actions: [{ type: 'set_priority', priority: 'high' }],
    },
    'PATCH /v1/rules/{id}': { name: 'Late' },
    'POST /v1/rules/simulate': { rule: { triggers: ['message.received'] } },
    'POST /v1/contacts': { name: 'Ana' },
    'PATCH /v1/contacts/{id}': { name: 'Ana' },
    'POST /v1/contacts/{id}/notes': { body: 'Hello' },
    'PATCH /v1/contacts/{id}/notes/{note_id}': { body: 'Hello' },
    'POST /v1/contacts/{id}/merge': { from_id: '00000000-0000-7000-8000-000000000000' },
    'POST /v1/contacts/{id}/unmerge': { merge_id: '00000000-0000-7000-8000-000000000000' },
    'POST /v1/saved_replies': { name: 'Refund', body: 'Hello' },
    'PATCH /v1/saved_replies/{id}': { name: 'Refund' },
    'POST /v1/saved_replies/{id}/render': { conversation_id: '00000000-0000-7000-8000-000000000000' },
    'POST /v1/channels/{id}/parked/retry': { all: true },
    'POST /v1/channels/{id}/parked/discard': { all: true },
    'POST /v1/channels/{id}/outbox/{message_id}/ack': { external_id: 'their-1' },
  }
  if (!route.operation.requestBody) return undefined
  const body = bodies[`${route.method} ${route.path}`]
  if (!body) throw new Error(`no body is known for ${route.method} ${route.path}`)
  return body
}

const PERIOD = 'from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z'

/** What a route cannot be asked without. */
export const neededQuery = (path: string): string => {
  if (path === '/v1/reports/{report}/conversations') return `${PERIOD}&measure=replies_out`
  if (path === '/v1/sla/summary/conversations') return `${PERIOD}&measure=breached`
  if (path === '/v1/sla/summary') return PERIOD
  return /^\/v1\/reports\/(?!rebuild$)/.test(path) ? PERIOD : ''
}
