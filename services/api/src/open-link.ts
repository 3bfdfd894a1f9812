import { openWithToken } from '@parley/core'
import type { Database } from '@parley/db'
import { NotFound } from '@parley/domain'
import type { FastifyRequest } from 'fastify'
import type { ApiContext } from './context.ts'
import { peerAddress } from './peer-address.ts'

/** What routes say that are called with the token of a link and no key. */
export const LINKS_COUNTED =
  'Tokens that open nothing are counted, as are the addresses that bring them: 429 says when to come back.'

/** What a token leads to, whether or not it still opens anything. */
type Link = { workspace_id: string; id: string }
type WithToken = FastifyRequest & { body: { token: string } }

/**
 * Does what the link of a token opens.
 * @param kind what it is called where there is none
 * @throws NotFound, DomainError `too_many_attempts`, or what `work` throws
 */
export function openLink<T>(
  { db, now }: ApiContext,
  request: WithToken,
  { kind, find }: { kind: string; find: (db: Database, token: string) => Promise<Link | undefined> },
  work: (link: Link) => Promise<T>,
): Promise<T> {
  const { token } = request.body
  return openWithToken(db, { token, address: peerAddress(request) }, now(), async () => {
    const link = await find(db, token)
    if (!link) throw new NotFound(kind)
    return work(link)
  })
}
