import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { run } from './commands.ts'

/**
 * What tells this life of a process number from its next one: the start of the process, and on Linux also of the
 * machine. Undefined when no such process lives (a zombie does not).
 */
export async function findStart(pid: number): Promise<string | undefined> {
  if (!existsSync('/proc/self/stat')) return psField(pid, 'lstart')
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  if (!stat) return undefined
  // proc_pid_stat(5): fields 3 (state) and 22 (starttime), counted after field 2, which may itself hold spaces and ")".
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')
  return `${boot.trim()} ${fields[19]}`
}

/** The command line of a living process; undefined when there is none. */
export async function findCommand(pid: number): Promise<string | undefined> {
  if (!existsSync('/proc/self/stat')) return psField(pid, 'command')
  const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return line.replaceAll('\0', ' ').trim() || undefined
}

async function psField(pid: number, field: string): Promise<string | undefined> {
  const ps = await run('ps', ['-ww', '-o', `${field}=`, '-p', `${pid}`])
  return (ps.code === 0 && ps.output) || undefined
}
