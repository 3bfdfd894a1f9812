import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What a first start makes up for itself and later starts need again. */
export type Secrets = { secretKey: string; databasePassword: string }

/** Reads the secrets of a data folder, or makes and keeps them; only the folder's owner may read the file. */
export async function loadSecrets(dataDir: string): Promise<Secrets> {
  await mkdir(dataDir, { recursive: true })
  const path = join(dataDir, 'secrets.json')
  const kept = await readFile(path, 'utf8').catch(() => undefined)
  if (kept) return JSON.parse(kept) as Secrets
  const made = { secretKey: randomBytes(32).toString('base64'), databasePassword: randomBytes(24).toString('hex') }
  const file = await open(path, 'wx', 0o600)
  await file.writeFile(`${JSON.stringify(made, null, 2)}\n`)
  // On disk before anything is sealed with it: a lost key would lose every credential.
  await file.sync()
  await file.close()
  return made
}
