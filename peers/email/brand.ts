import { firstWorkspace, restClient, serviceEnvironment, startApi, testDatabase, until } from '@parley/testing'
import type { Test } from 'tap'
import { BRAND, mailServers, proxyTo, settingsOf } from './people.ts'

type Listed = { id: string; status: string; subject: string; waiting_since: string | null }
export type Said = {
  id: string
  direction: string
  body: string
  body_quoted: string | null
  state: string
  external_id: string
  automatic: boolean
}

/** A brand with a mailbox, connected through the API; its servers stand behind proxies. */
export async function openBrand(t: Test, users: string[], fields: Record<string, unknown> = {}) {
  const servers = await mailServers(t, users)
  const smtp = await proxyTo(t, servers.ports.submission)
  const imap = await proxyTo(t, servers.ports.imap)
  const behind = ({ port }: { port: number }) => ({ host: '127.0.0.1', port, secure: false })
  const { db, url } = await testDatabase(t)
  const { key, inbox_id, workspace_id } = await firstWorkspace(db)
  const env = serviceEnvironment(url, { kind: 'postgres', url })
  const api = await startApi(t, env)
  const admin = restClient(api.url, key)
  const settings = settingsOf(servers, { smtp: behind(smtp), imap: behind(imap), ...fields })
  const account = { name: 'Support', kind: 'email', inbox_id, settings, poll_seconds: 5 }
  const credentials = { user: 'support', password: servers.password }
  const channel = await admin.post('/v1/channels', { ...account, credentials })
  t.equal(channel.status, 201, JSON.stringify(channel.body))
  t.equal(channel.body.external_id, BRAND)
  const pollNow = () => admin.post(`/v1/channels/${channel.body.id}/poll`)
  const conversations = async () => (await admin.get('/v1/conversations?limit=100')).body.data as Listed[]
  const said = async (id: string) => (await admin.get(`/v1/conversations/${id}/messages`)).body.data as Said[]
  const reply = (id: string, body: string, key: string) =>
    admin.post(`/v1/conversations/${id}/replies`, { body, visibility: 'private' }, { 'idempotency-key': key })
  /** Waits for a conversation that is like this, asking for news all the while. */
  const conversation = (what: string, fits: (row: Listed) => boolean) =>
    until(what, async () => {
      await pollNow()
      return (await conversations()).find(fits)
    })
  const message = (id: string, what: string, fits: (row: Said) => boolean, timeoutMs?: number) =>
    until(
      what,
      async () => {
        await pollNow()
        return (await said(id)).find(fits)
      },
      timeoutMs,
    )
  /** Delivery reports that were read and are done with. */
  const bounces = () =>
    db.inWorkspace(workspace_id, async trx => {
      const rows = await trx
        .selectFrom('inbound_events as e')
        .innerJoin('inbound_payloads as p', 'p.id', 'e.id')
        .select('p.payload')
        .where('e.state', 'in', ['done', 'ignored'])
        .execute()
      return rows.flatMap(({ payload }) => (payload as { bounce: { recipient: string } | null }).bounce ?? [])
    })
  return {
    servers,
    places: { smtp: smtp.proxy, imap: imap.proxy },
    bounces,
    db,
    url,
    workspace_id,
    env,
    admin,
    channel,
    account,
    conversations,
    conversation,
    said,
    message,
    reply,
    pollNow,
  }
}
