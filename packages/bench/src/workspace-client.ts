import pg from 'pg'
import type { Cleanup } from './cleanup.ts'
import type { Statement } from './compiled-statements.ts'
import type { Deployment } from './servers.ts'

/** A connection that sends statements as the API does: in a transaction of the workspace. */
export async function keepClient(cleanup: Cleanup, { databaseUrl, workspace_id }: Deployment) {
  const begin = `begin; set local role parley_app; set local parley.workspace_id = '${workspace_id}'`
  const client = new pg.Client({ connectionString: databaseUrl })
  client.on('error', () => {})
  await client.connect()
  cleanup.defer(() => client.end().catch(() => {}))
  return {
    /** @param settings of the transaction, beside its workspace */
    run: async (statements: Statement[], settings = '') => {
      await client.query(`${begin}; ${settings}`)
      for (const { text, values } of statements) await client.query(text, values)
      await client.query('commit')
    },
  }
}
