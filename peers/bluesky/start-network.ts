import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

export type NetworkOptions = {
  /** `postgres://…`; the network keeps to a schema of its own and drops it. */
  postgresUrl: string
  /** `host:port`, without a scheme. */
  redisHost: string
  rateLimits?: boolean
}

export type Network = {
  pds_url: string
  plc_url: string
  bsky_url: string
  /** Resolves once everything written so far is visible in the AppView. */
  flush: () => Promise<void>
  /** Ends the servers and waits for them. */
  stop: () => Promise<void>
}

// The very first start on a cold disk took 18 s, later ones 3 s.
const START_TIMEOUT_MS = 90_000
const STOP_TIMEOUT_MS = 15_000

/** Starts the AT Protocol's own servers in a process of their own, which also ends when this one does. */
export async function startNetwork(options: NetworkOptions): Promise<Network> {
  const script = fileURLToPath(new URL('network.mjs', import.meta.url))
  const args = ['--postgres', options.postgresUrl, '--redis', options.redisHost]
  if (options.rateLimits) args.push('--rate-limits')
  // Without the test runner's loaders: the servers are plain JavaScript.
  const { NODE_OPTIONS: _, ...env } = process.env
  const child = spawn(process.execPath, [script, ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.on('data', chunk => {
    errors += chunk
  })
  const exited = once(child, 'exit')
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGTERM')
    const ended = await Promise.race([exited, wait(STOP_TIMEOUT_MS, null, { ref: false })])
    if (ended) return
    child.kill('SIGKILL')
    await exited
  }

  const lines = createInterface({ input: child.stdout })
  const first = await Promise.race([
    once(lines, 'line'),
    exited.then(() => null),
    wait(START_TIMEOUT_MS, null, { ref: false }),
  ])
  if (!first) {
    await stop()
    throw new Error(`The Bluesky network did not start. Is it installed (npm ci in peers/bluesky)?\n${errors}`)
  }
  const { pds_url, plc_url, bsky_url, control_url } = JSON.parse(first[0]) as Record<string, string>
  const flush = async () => {
    const response = await fetch(`${control_url}/flush`, { method: 'POST' })
    if (!response.ok) throw new Error(`flush: ${await response.text()}`)
  }
  return { pds_url: pds_url!, plc_url: plc_url!, bsky_url: bsky_url!, flush, stop }
}
