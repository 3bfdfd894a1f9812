import { DomainError } from '@parley/domain'
import type { FastifyRequest } from 'fastify'

/** Bound by its prefix to this host and to HTTPS: no other host of the domain can set it (RFC 6265bis, 4.1.3.2). */
export const SESSION_COOKIE = '__Host-parley_session'
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Lax'

/** Sets the cookie of a session, or takes it away where there is none any more. */
export function setCookie(session: { token: string; max_age_seconds: number } | null): string {
  return `${SESSION_COOKIE}=${session?.token ?? ''}; Max-Age=${session?.max_age_seconds ?? 0}; ${ATTRIBUTES}`
}

/** The session token of a request's cookies; undefined where there is none, and where there are two: one was slipped in. */
export function sessionCookie(request: FastifyRequest): string | undefined {
  const found = (request.headers.cookie ?? '')
    .split(';')
    .map(pair => pair.trim())
    .filter(pair => pair.startsWith(`${SESSION_COOKIE}=`))
  const token = found.length === 1 ? found[0]!.slice(SESSION_COOKIE.length + 1) : ''
  return token.startsWith('parley_session_') ? token : undefined
}

const SAFE = new Set(['GET', 'HEAD'])

/**
 * A browser sends a cookie whoever made it call, so a change must come from our own pages: `Sec-Fetch-Site` says so, or
 * else `Origin`. What only reads may leave both out; nothing that reads changes anything.
 * @throws DomainError `forbidden`
 */
export function refuseForeignOrigin(request: FastifyRequest): void {
  const { origin, host } = request.headers
  const site = request.headers['sec-fetch-site']
  const foreign = origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host)
  const own = site === 'same-origin' || (site === undefined && origin !== undefined && !foreign)
  const safe = SAFE.has(request.method) && (site === undefined || site === 'none') && !foreign
  if (own && origin !== 'null') return
  if (safe) return
  throw new DomainError('forbidden', 'With a cookie, calls come from the pages of this server alone.')
}
