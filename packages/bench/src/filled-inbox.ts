import { generateApiKey, hashToken, migrate } from '@parley/db'
import { type Cleanup, within } from './cleanup.ts'
import { fillInbox } from './inbox-generator.ts'
import { type BenchDatabase, connectChannel, deploy, dropDatabase, type Servers, withClient } from './servers.ts'

/**
 * A database of its own with an inbox of so many conversations, dropped in the end: a copy of one that is filled the first
 * time it is asked for, which takes minutes for a million. Where the server's folder is kept, that is there the next time, too.
 */
export async function createFilledInbox(
  cleanup: Cleanup,
  servers: Servers,
  name: string,
  count: number,
  say: (line: string) => void,
): Promise<BenchDatabase> {
  const template = `filled_inbox_${count}`
  if (!(await exists(servers, template))) await fillTemplate(cleanup, servers, template, count, say)
  else say(`inbox: ${count} conversations are there from before`)
  const applied = await migrate(servers.postgresUrl(template))
  if (applied.length > 0) {
    await withClient(servers.postgresUrl(template), client => client.query('vacuum (analyze)'))
  }
  await dropDatabase(servers, { name })
  cleanup.defer(() => dropDatabase(servers, { name }))
  await withClient(servers.postgresUrl(), client =>
    client.query(`create database ${name} template ${template} strategy file_copy`),
  )
  return openCopy(servers, name)
}

/** Under another name until it is finished: what was cut off is begun anew. */
async function fillTemplate(
  cleanup: Cleanup,
  servers: Servers,
  template: string,
  count: number,
  say: (line: string) => void,
): Promise<void> {
  const name = `${template}_unfinished`
  await within(cleanup, async services => {
    const deployment = await deploy(services, servers, name, ['api'])
    const channel = await connectChannel(deployment, 'inbox')
    const place = { ...deployment, channel_id: channel.id }
    await withClient(deployment.databaseUrl, client => fillInbox(client, place, count, say))
  })
  await withClient(servers.postgresUrl(), client => client.query(`alter database ${name} rename to ${template}`))
}

async function exists(servers: Servers, name: string): Promise<boolean> {
  const { rowCount } = await withClient(servers.postgresUrl(), client =>
    client.query('select from pg_database where datname = $1', [name]),
  )
  return rowCount === 1
}

/** The key of the one who filled it is not known any more: its administrator gets another one. */
async function openCopy(servers: Servers, name: string): Promise<BenchDatabase> {
  const databaseUrl = servers.postgresUrl(name)
  const apiKey = generateApiKey()
  return withClient(databaseUrl, async client => {
    await client.query('update api_keys set key_hash = $1', [hashToken(apiKey)])
    const { rows } = await client.query<{ workspace_id: string; inbox_id: string }>(
      `select workspace_id, inbox_id from channels limit 1`,
    )
    return { name, databaseUrl, apiKey, ...rows[0]! }
  })
}
