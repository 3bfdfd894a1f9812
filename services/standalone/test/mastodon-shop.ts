import {
  type FakeMastodonServer,
  firstWorkspace,
  mastodonClient,
  restClient,
  serviceEnvironment,
  startApi,
  startFakeMastodon,
  startService,
  testDatabase,
} from '@parley/testing'
import type { Test } from 'tap'

type Said = { id: string; direction: string; body: string; state: string; external_id: string; visibility: string }
type Listed = { id: string; status: string; subject: string | null }

/** A brand on a server of the test's own, connected through the API. No worker runs yet. */
export async function openShop(t: Test, poll_seconds = 5) {
  const network = await startFakeMastodon(t)
  const brand = await network.addAccount('brand')
  const ana = await network.addAccount('ana@remote.example', { display_name: 'Ana Silva' })
  const { db, url } = await testDatabase(t)
  const { key, inbox_id, workspace_id } = await firstWorkspace(db)
  const env = serviceEnvironment(url, { kind: 'postgres', url })
  const api = await startApi(t, env)
  const admin = restClient(api.url, key)
  const account = { kind: 'mastodon', name: 'Brand', inbox_id, poll_seconds }
  const connect = (access_token: string, server_url = network.url) =>
    admin.post('/v1/channels', { ...account, settings: { server_url }, credentials: { access_token } })
  const conversations = async () => (await admin.get('/v1/conversations?limit=100')).body.data as Listed[]
  const said = async (id: string) => (await admin.get(`/v1/conversations/${id}/messages`)).body.data as Said[]
  const openWorker = () => startService(t, 'worker', env)
  return {
    network,
    db,
    url,
    env,
    workspace_id,
    brand,
    ana: await mastodonClient(network.url, ana.token),
    admin,
    connect,
    conversations,
    said,
    openWorker,
  }
}

/** What the brand has posted, in the order of the network. */
export function postsOfBrand(network: FakeMastodonServer) {
  return network.record().flatMap(entry => (entry.kind === 'accepted' && entry.account === 'brand' ? [entry] : []))
}
