import { ownersUrl, startTestServers, TEMPLATE } from './servers.ts'
import { TABLE_TYPES, writeTableTypes } from './table-types.ts'

const servers = await startTestServers(line => process.stdout.write(`${line}\n`))
try {
  await writeTableTypes(ownersUrl(servers.postgresUrl, TEMPLATE), { verify: false })
  process.stdout.write(`wrote ${TABLE_TYPES}\n`)
} finally {
  await servers.stop()
}
