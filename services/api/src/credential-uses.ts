import { type Credential, type CredentialUse, type Database, recordUses } from '@parley/db'

/** A use is remembered to this: a busy key costs one write a minute, and no request waits for it. */
const PRECISION_MS = 60_000

export type CredentialUses = {
  note(credential: Credential, at: Date): void
  /** Writes what was noted. Never rejects: what cannot be written now is noted again by the next use. */
  flush(): Promise<void>
  close(): Promise<void>
}

/** Remembers when keys and sessions were used, and writes it down for all of them together. */
export function createCredentialUses(db: Database, onError: (error: unknown) => void): CredentialUses {
  let noted = new Map<string, CredentialUse & { workspace_id: string }>()
  const flush = async () => {
    const uses = [...noted.values()]
    noted = new Map()
    for (const workspace_id of new Set(uses.map(use => use.workspace_id))) {
      const own = uses.filter(use => use.workspace_id === workspace_id)
      await db.inWorkspace(workspace_id, trx => recordUses(trx, own)).catch(onError)
    }
  }
  const timer = setInterval(() => void flush(), PRECISION_MS)
  return {
    note({ workspace_id, kind, id, last_used_at }, at) {
      if (last_used_at && at.getTime() - last_used_at.getTime() < PRECISION_MS) return
      noted.set(id, { workspace_id, kind, id, at })
    },
    flush,
    async close() {
      clearInterval(timer)
      await flush()
    },
  }
}
