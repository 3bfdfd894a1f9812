import { type Credential, findCredential } from '@parley/db'
import { DomainError, type Member, type Role } from '@parley/domain'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { z } from 'zod'
import type { ApiContext } from '../context.ts'

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
  }
}

const RANK: Record<Role, number> = { agent: 1, lead: 2, admin: 3 }

/** Default deny: a route that does not say who may call it stops the process at start. */
export const authPlugin = fp<{ ctx: ApiContext }>(async (app, { ctx }) => {
  app.decorateRequest('credential')
  app.decorateRequest('actor')
  app.addHook('onRoute', route => {
    if (!route.config?.access) throw new Error(`${route.method} ${route.url} does not say who may call it`)
  })
  app.addHook('onRequest', async request => {
    const access = request.routeOptions.config.access
    if (!access || access === 'public') return
    const credential = await findCredential(ctx.db, bearerKey(request), ctx.now())
    if (!credential) throw unauthenticated()
    if (RANK[credential.role] < RANK[access]) throw new DomainError('forbidden', `This needs the role ${access}.`)
    request.credential = credential
    request.actor = credential.user_id
      ? { type: 'user', id: credential.user_id }
      : { type: 'api_key', id: credential.id }
  })
})

const unauthenticated = () => new DomainError('unauthenticated', 'Send a valid API key: Authorization: Bearer parley_…')

function bearerKey(request: FastifyRequest): string {
  // Node keeps the first of several headers; two of them mean that somebody is guessing.
  const count = request.raw.rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'authorization').length
  const key = /^Bearer (parley_[A-Za-z0-9_-]{43})$/.exec(request.headers.authorization ?? '')?.[1]
  if (count !== 1 || !key) throw unauthenticated()
  return key
}
