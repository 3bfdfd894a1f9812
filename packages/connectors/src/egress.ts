import { type LookupAddress, type LookupAllOptions, lookup as systemResolver } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { Agent, fetch as undiciFetch } from 'undici'

const PORTS = new Set(['', '443', '8443'])
const MAX_URL_LENGTH = 2048
const MAX_RESPONSE_BYTES = 16 * 1024 * 1024
const CONNECT_TIMEOUT_MS = 5_000
const ANSWER_TIMEOUT_MS = 30_000
// Unassigned IPv6 space counts as unicast in ipaddr.js; what is routed today lies in 2000::/3.
const GLOBAL_UNICAST_V6 = ipaddr.IPv6.parseCIDR('2000::/3')
const LOCAL_NAMES = /(^|\.)(localhost|local|internal|localdomain|home\.arpa)$/

/** The target lies outside what Parley may call. Says nothing about what the name resolved to. */
export class EgressBlocked extends Error {
  override name = 'EgressBlocked'
  readonly code = 'EGRESS_BLOCKED'
  constructor() {
    super('the address is not allowed')
  }
}

/** Every address of a name, as `dns.lookup` with `all` gives them. */
export type Resolver = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/**
 * Why a URL that a user gave may not be called, in words; undefined when it may. Names are resolved only when they
 * are called, and checked then.
 * @param allowPrivate CIDR blocks that may be called although they are private, also without TLS and on any port
 */
export function refuseTarget(text: string, allowPrivate: string[]): string | undefined {
  return refuse(text, allowListOf(allowPrivate))
}

/**
 * A `fetch` that connects to public addresses alone: the URL is checked, every address the name resolves to is
 * checked, and the connection goes to exactly those. Redirects are not followed; size and time are bounded.
 * @param maxResponseBytes what lies beyond ends the answer in an error
 * @throws EgressBlocked
 */
export function createEgressFetch(
  allowPrivate: string[],
  resolver: Resolver = systemResolver,
  maxResponseBytes = MAX_RESPONSE_BYTES,
): typeof fetch {
  const allowed = allowListOf(allowPrivate)
  const connect = { resolver, maxResponseBytes }
  const dispatcher = agentTo(connect, address => isPublic(address) || allowed.has(address))
  // Without TLS or on another port, a name must lead to the private blocks alone.
  const privateDispatcher = agentTo(connect, address => allowed.has(address))
  return (async (input: string | URL, init: RequestInit = {}) => {
    const url = String(input)
    if (refuse(url, allowed)) throw new EgressBlocked()
    const headers = new Headers(init.headers)
    headers.set('accept-encoding', 'identity')
    const request = {
      ...init,
      headers: Object.fromEntries(headers),
      redirect: 'manual',
      dispatcher: isPublicService(new URL(url)) ? dispatcher : privateDispatcher,
    }
    try {
      const response = await undiciFetch(url, request as Parameters<typeof undiciFetch>[1])
      return withBoundedBody(response as unknown as Response, maxResponseBytes)
    } catch (error) {
      if (error instanceof Error && error.cause instanceof EgressBlocked) throw error.cause
      throw error
    }
  }) as typeof fetch
}

/** Where a name leads. `is_private`: to blocks that may be reached although they are private, also without TLS. */
export type ResolvedHost = { address: string; is_private: boolean }

/**
 * The address of a mail server or any other that speaks no HTTP, checked like those that `fetch` calls. Connect to the
 * address, not to the name: a second look-up may lead elsewhere.
 * @throws EgressBlocked, or what the look-up throws
 */
export function createEgressResolver(allowPrivate: string[], resolver: Resolver = systemResolver) {
  const allowed = allowListOf(allowPrivate)
  return async (host: string): Promise<ResolvedHost> => {
    const name = host.toLowerCase().replace(/\.+$/, '')
    if (!isIP(name) && allowed.empty && (LOCAL_NAMES.test(name) || !name.includes('.'))) throw new EgressBlocked()
    const addresses = await new Promise<LookupAddress[]>((resolve, reject) => {
      resolver(name, { all: true }, (error, found) => (error ? reject(error) : resolve(found)))
    })
    const first = addresses[0]
    const is_private = addresses.every(({ address }) => allowed.has(address))
    if (!first || !addresses.every(({ address }) => isPublic(address) || allowed.has(address)))
      throw new EgressBlocked()
    return { address: first.address, is_private }
  }
}

function refuse(text: string, allowed: AllowList): string | undefined {
  if (text.length > MAX_URL_LENGTH) return `must be at most ${MAX_URL_LENGTH} characters`
  if (!URL.canParse(text)) return 'must be an absolute https URL'
  const url = new URL(text)
  if (url.username || url.password) return 'must not contain a user name or password'
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must be an https URL'
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.+$/, '')
  if (isIP(host)) {
    if (allowed.has(host)) return undefined
    if (!isPublic(host)) return 'must be a public address'
  } else {
    // A name may lead to the private blocks; where it leads is checked when it is called.
    if (!allowed.empty) return undefined
    if (LOCAL_NAMES.test(host) || !host.includes('.')) return 'must be a public address'
  }
  if (url.protocol !== 'https:') return 'must be an https URL'
  if (!PORTS.has(url.port)) return 'must use port 443 or 8443'
  return undefined
}

const isPublicService = (url: URL) => url.protocol === 'https:' && PORTS.has(url.port)

/** Connects only where every address of the name may be called, and to those same addresses. */
function agentTo(
  { resolver, maxResponseBytes }: { resolver: Resolver; maxResponseBytes: number },
  mayCall: (address: string) => boolean,
): Agent {
  const lookup: LookupFunction = (hostname, options, callback) => {
    resolver(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '', 0)
      const first = addresses[0]
      if (!first || !addresses.every(({ address }) => mayCall(address))) return callback(new EgressBlocked(), '', 0)
      if (options.all) return callback(null, addresses)
      callback(null, first.address, first.family)
    })
  }
  return new Agent({
    connect: { lookup, timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: ANSWER_TIMEOUT_MS,
    bodyTimeout: ANSWER_TIMEOUT_MS,
    maxResponseSize: maxResponseBytes,
  })
}

/** The same answer, ending in an error past the limit: `fetch` unfolds compressed answers although none were asked for. */
function withBoundedBody(response: Response, maxBytes: number): Response {
  if (!response.body) return response
  let bytes = 0
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.byteLength
      if (bytes > maxBytes) controller.error(new Error(`the answer exceeds ${maxBytes} bytes`))
      else controller.enqueue(chunk)
    },
  })
  const { status, statusText, headers } = response
  return new Response(response.body.pipeThrough(counter), { status, statusText, headers })
}

/** True for addresses that anybody on the internet can reach: no private, loopback, link-local or translated ones. */
function isPublic(address: string): boolean {
  // ipaddr.js reads the obsolete `::8.8.8.8` as if it were mapped (`::ffff:8.8.8.8`), and a resolver writes it so.
  if (!ipaddr.isValid(address) || /^::\d+\./.test(address)) return false
  const parsed = ipaddr.process(address)
  if (parsed.range() !== 'unicast') return false
  return parsed.kind() === 'ipv4' || (parsed as ipaddr.IPv6).match(GLOBAL_UNICAST_V6)
}

type AllowList = { empty: boolean; has: (address: string) => boolean }

function allowListOf(cidrs: string[]): AllowList {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [network, bits] = cidr.split('/') as [string, string]
    list.addSubnet(network, Number(bits), network.includes(':') ? 'ipv6' : 'ipv4')
  }
  return {
    empty: cidrs.length === 0,
    // An address with a zone (fe80::1%eth0) is none that a block list understands: it throws.
    has: address => !address.includes('%') && list.check(address, address.includes(':') ? 'ipv6' : 'ipv4'),
  }
}
