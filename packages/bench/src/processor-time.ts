import { readdir, readFile } from 'node:fs/promises'
import { type Deployment, type Servers, withClient } from './servers.ts'

/** Of Linux on all usual architectures: /proc counts in hundredths of a second. */
const MS_PER_TICK = 10

export type ProcessorMs = { 'the API': number; 'the worker': number; PostgreSQL: number }

/**
 * What the services of a deployment and the database server have used of the processors so far, in milliseconds.
 * @returns undefined where there is no /proc
 */
export async function readProcessorMs(servers: Servers, { pids }: Deployment): Promise<ProcessorMs | undefined> {
  if (process.platform !== 'linux') return undefined
  const backend = await withClient(servers.postgresUrl(), async client => {
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    return readStat(rows[0]!.pid)
  })
  const all = await Promise.all((await readdir('/proc')).filter(name => /^\d+$/.test(name)).map(readStat))
  const ofPostgres = all.filter(stat => stat && [stat.pid, stat.parent].includes(backend!.parent))
  const of = (pid: number | undefined) => all.find(stat => stat?.pid === pid)?.ms ?? 0
  return {
    'the API': of(pids.api),
    'the worker': of(pids.worker),
    PostgreSQL: ofPostgres.reduce((sum, stat) => sum + stat!.ms, 0),
  }
}

/** With what its ended children used; undefined when the process is gone. */
async function readStat(pid: string | number): Promise<{ pid: number; parent: number; ms: number } | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The name of the program stands in brackets and may contain anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  if (fields.length < 16) return undefined
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0)
  return { pid: Number(pid), parent: Number(fields[1]), ms: ticks * MS_PER_TICK }
}
