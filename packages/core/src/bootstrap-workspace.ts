import {
  anyWorkspaceExists,
  type Database,
  hashToken,
  insertApiKey,
  insertInbox,
  insertUser,
  insertWorkspace,
  newId,
} from '@parley/db'
import { keyHint } from './people/change-api-key.ts'

/**
 * Creates the first workspace, with an inbox and an administrator whom `adminKey` acts as. Does nothing when there is
 * a workspace already, so it may be called at every start.
 * @returns the new workspace's and inbox's ids, or undefined
 */
export async function bootstrapWorkspace(
  db: Database,
  adminKey: string,
  now: Date,
): Promise<{ workspace_id: string; inbox_id: string } | undefined> {
  if (await db.asSystem(anyWorkspaceExists)) return undefined
  const ids = { workspace: newId(now), user: newId(now), inbox: newId(now), key: newId(now) }
  await db.inWorkspace(ids.workspace, async trx => {
    await insertWorkspace(trx, { id: ids.workspace, name: 'My workspace', created_at: now })
    await insertUser(trx, { id: ids.user, name: 'Admin', email: null, role: 'admin', created_at: now })
    await insertInbox(trx, { id: ids.inbox, name: 'Inbox', sla_policy_id: null, created_at: now })
    await insertApiKey(trx, {
      id: ids.key,
      name: 'First admin key',
      role: 'admin',
      user_id: ids.user,
      key_hash: hashToken(adminKey),
      key_hint: keyHint(adminKey),
      created_at: now,
      expires_at: null,
      revoked_at: null,
    })
  })
  return { workspace_id: ids.workspace, inbox_id: ids.inbox }
}
