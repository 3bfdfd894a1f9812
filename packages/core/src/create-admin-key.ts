import { type Database, findFirstAdmin, hashToken, insertApiKey, listWorkspaceIds, newId } from '@parley/db'
import { keyHint } from './people/change-api-key.ts'

/**
 * Adds another key for the first administrator of the first workspace: for whoever runs the server and has lost
 * the one that was shown. False when there is no workspace yet.
 */
export async function createAdminKey(db: Database, key: string, now: Date): Promise<boolean> {
  const [workspace_id] = (await db.asSystem(listWorkspaceIds)).sort()
  if (!workspace_id) return false
  await db.inWorkspace(workspace_id, async trx => {
    const admin = await findFirstAdmin(trx)
    await insertApiKey(trx, {
      id: newId(now),
      name: 'Admin key made on the server',
      role: 'admin',
      user_id: admin?.id ?? null,
      key_hash: hashToken(key),
      key_hint: keyHint(key),
      created_at: now,
      expires_at: null,
      revoked_at: null,
    })
  })
  return true
}
