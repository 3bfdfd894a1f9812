import { type Credential, findCredential } from '@parley/db'
import { atLeast, DomainError, type Member, type Role } from '@parley/domain'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { z } from 'zod'
import type { ApiContext } from '../context.ts'
import { type CredentialUses, createCredentialUses } from '../credential-uses.ts'
import { refuseForeignOrigin, sessionCookie } from '../session-cookie.ts'

/** Who may call a route: everybody, or members from a role upwards (agent, lead, admin). */
export type Access = 'public' | Role

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
    /** What the body is described as, where its schema leaves a part of it to be checked further in. */
    documentedBody?: z.ZodType
  }
  interface FastifyRequest {
    /** Who calls; set before any handler of a route that is not public. */
    credential: Credential
    /** The caller as events record them. */
    actor: Member
    /** What the caller showed: who calls is asked again by it where a request goes on for long. */
    token: string
  }
  interface FastifyInstance {
    credentialUses: CredentialUses
  }
}

/** Default deny: a route that does not say who may call it stops the process at start. */
export const authPlugin = fp<{ ctx: ApiContext }>(async (app, { ctx }) => {
  const uses = createCredentialUses(ctx.db, err => ctx.logger.warn({ err }, 'use of credentials not recorded'))
  app.decorate('credentialUses', uses)
  app.addHook('onClose', () => uses.close())
  app.decorateRequest('credential')
  app.decorateRequest('actor')
  app.decorateRequest('token', '')
  app.addHook('onRoute', route => {
    if (!route.config?.access) throw new Error(`${route.method} ${route.url} does not say who may call it`)
  })
  app.addHook('onRequest', async request => {
    const access = request.routeOptions.config.access
    if (!access || access === 'public') return
    const token = presentedToken(request)
    const credential = await findCredential(ctx.db, token, ctx.now())
    if (!credential) throw unauthenticated()
    if (!atLeast(credential.role, access)) throw new DomainError('forbidden', `This needs the role ${access}.`)
    uses.note(credential, ctx.now())
    request.credential = credential
    request.token = token
    request.actor = credential.user_id
      ? { type: 'user', id: credential.user_id }
      : { type: 'api_key', id: credential.id }
  })
})

const unauthenticated = () =>
  new DomainError('unauthenticated', 'Send a valid API key or session: Authorization: Bearer parley_…')

/** The token of the Authorization header, or the browser's cookie where there is no such header. */
function presentedToken(request: FastifyRequest): string {
  // Node keeps the first of several headers; two of them mean that somebody is guessing.
  const count = request.raw.rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'authorization').length
  if (count === 0) {
    const cookie = sessionCookie(request)
    if (!cookie) throw unauthenticated()
    refuseForeignOrigin(request)
    return cookie
  }
  const token = /^Bearer (parley_\S+)$/.exec(request.headers.authorization ?? '')?.[1]
  if (count !== 1 || !token) throw unauthenticated()
  return token
}
