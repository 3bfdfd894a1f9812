import { ConfigError, readConfig } from '@parley/config'
import { bootstrapWorkspace } from '@parley/core'
import { migrate, openDatabase } from '@parley/db'
import { migrateQueues } from '@parley/queue'

const HELP = `Brings the database up to date and ends. Run it before the API and the workers of a new version.

  node services/migrate/dist/main.js

DATABASE_URL      the database; its user owns the tables
REDIS_URL         where the queues live; without it their tables are created in the database too
PARLEY_ADMIN_KEY  creates the first workspace, whose administrator this key acts as, unless there is one already
`

async function main(): Promise<void> {
  if (process.argv.includes('--help')) {
    process.stdout.write(HELP)
    return
  }
  const config = readConfig(process.env, ['DATABASE_URL'])
  const url = config.DATABASE_DIRECT_URL ?? config.DATABASE_URL
  const say = (line: string) => process.stdout.write(`${line}\n`)
  const applied = await migrate(url, name => say(`applied ${name}`))
  if (applied.length === 0) say('the database is up to date')
  if (!config.REDIS_URL) await migrateQueues(url)
  if (!config.PARLEY_ADMIN_KEY) return
  const db = openDatabase({ url: config.DATABASE_URL, poolSize: 1 })
  try {
    const created = await bootstrapWorkspace(db, config.PARLEY_ADMIN_KEY, new Date())
    if (created) say(`created the first workspace ${created.workspace_id}`)
  } finally {
    await db.close()
  }
}

main().catch(error => {
  process.stderr.write(`${error instanceof ConfigError ? error.message : error.stack}\n`)
  process.exit(1)
})
