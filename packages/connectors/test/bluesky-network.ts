import { connectedChannel, connectorContext } from '@parley/testing'
import type { ConnectorContext } from '../src/connector.ts'

export const did = 'did:plc:brand'
export const service_url = 'https://pds.example'
const tokens = { did, handle: 'brand.example', accessJwt: 'access', refreshJwt: 'refresh' }

export const channel = connectedChannel({
  external_id: did,
  settings: { service_url },
  credentials: { identifier: 'brand.example', app_password: 'secret' },
  session: { ...tokens, pds_url: service_url, service_url, identifier: 'brand.example' },
})

export type Call = { nsid: string; query: URLSearchParams; input: Record<string, unknown> }
export type Answers = Record<string, (call: Call) => Response>

/** A network that answers each method as told, by the last part of its name, and anything else not at all. */
export function networkOf(answers: Answers, at = new Date('2026-11-22T12:00:00.000Z')) {
  const calls: Call[] = []
  const clock = { now: at }
  const fetch = async (input: unknown, init?: RequestInit) => {
    const url = new URL(String(input))
    const given = typeof init?.body === 'string' ? JSON.parse(init.body) : {}
    const call = { nsid: url.pathname.split('.').at(-1)!, query: url.searchParams, input: given }
    calls.push(call)
    const answer = answers[call.nsid]
    if (!answer) throw new TypeError('fetch failed')
    return answer(call)
  }
  const context: ConnectorContext = connectorContext({ now: () => clock.now, fetch: fetch as typeof globalThis.fetch })
  return { context, calls, clock, called: () => calls.map(({ nsid }) => nsid) }
}

export const answers = (body: unknown) => () => Response.json(body)

export const refuses = (status: number, error: string, headers: Record<string, string> = {}) => {
  return () => Response.json({ error, message: 'because' }, { status, headers })
}

export const sessionTokens = tokens
