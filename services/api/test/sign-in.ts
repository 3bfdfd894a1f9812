import { hashPassword } from '@parley/core'
import { insertUser, newId } from '@parley/db'
import type { Role } from '@parley/domain'
import type { TestApi } from './helper.ts'

export const PASSWORD = 'correct horse battery'

let people = 0
/** Somebody with a password. */
export async function addPerson(
  api: TestApi,
  options: { role?: Role; workspace_id?: string; email?: string } = {},
): Promise<{ id: string; email: string }> {
  people += 1
  const { role = 'agent', workspace_id = api.ours.workspace_id, email = `ana${people}@example.com` } = options
  const id = newId(api.clock.now)
  const password_hash = await hashPassword(PASSWORD)
  await api.db.inWorkspace(workspace_id, trx =>
    insertUser(trx, { id, name: 'Ana', email, role, password_hash, created_at: api.clock.now }),
  )
  return { id, email }
}

let addresses = 0
/** From an address of its own unless one is named, so that nobody pays for what others guessed. */
export function signIn(api: TestApi, body: object, headers: Record<string, string> = {}, remoteAddress?: string) {
  addresses += 1
  return api.inject({
    method: 'POST',
    url: '/v1/sessions',
    headers: { 'content-type': 'application/json', ...headers },
    payload: JSON.stringify(body),
    remoteAddress: remoteAddress ?? `198.51.${addresses >> 8}.${addresses & 255}`,
  })
}

/** Calls with that token. */
export const as = (api: TestApi, token: string) => (method: string, path: string, body?: unknown) =>
  api.call(method, path, body, { authorization: `Bearer ${token}` })
