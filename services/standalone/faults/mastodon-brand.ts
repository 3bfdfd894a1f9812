import { FaultProxy, until } from '@parley/testing'
import type { Test } from 'tap'
import { openShop } from '../test/mastodon-shop.ts'

/** Beside other test files on two cores. */
export const LISTED_MS = 90_000

/** A brand whose server stands behind a proxy, and a customer with a client of her own. */
export async function openBrand(t: Test) {
  const shop = await openShop(t)
  const { network, brand, ana, admin, connect, conversations, said, openWorker } = shop
  const proxy = await FaultProxy.start(t, network.url)
  const address = proxy.through(network.url)
  await network.beKnownAs(address)
  t.equal((await connect(brand.token, address)).status, 201)

  /** Ana asks the brand each of these, in a thread each: her posts and their conversations. */
  const ask = async (questions: string[]) => {
    const posts = new Map<string, string>()
    for (const question of questions) {
      const { id } = await ana.v1.statuses.create({ status: `@brand ${question}` })
      posts.set(question, id)
    }
    const worker = openWorker()
    const asked = await until(
      'all are listed',
      async () => {
        const found = new Map<string, string>()
        for (const { id } of await conversations()) found.set((await said(id))[0]!.external_id, id)
        const paths = questions.map(question => found.get(posts.get(question)!))
        return paths.every(id => id !== undefined) && paths
      },
      LISTED_MS,
    )
    // Told to end, not killed: a turn of polling that dies is nobody's for two minutes.
    worker.process.kill('SIGTERM')
    await worker.exited
    return new Map(questions.map((question, at) => [question, { post: posts.get(question)!, id: asked[at]! }]))
  }
  let replies = 0
  const reply = async (id: string, body: string): Promise<string> => {
    replies += 1
    const headers = { 'idempotency-key': `mastodon-reply-${replies}` }
    const { status, body: message } = await admin.post(`/v1/conversations/${id}/replies`, { body }, headers)
    if (status !== 202) throw new Error(JSON.stringify(message))
    return message.id
  }
  /** What her own client shows under her post, and what Parley shows in its conversation, is this and nothing else. */
  const answeredOnce = async (t: Test, { post, id }: { post: string; id: string }, answers: string[], name: string) => {
    const thread = await ana.v1.statuses.$select(post).context.fetch()
    const shown = thread.descendants.map(status => ({
      id: status.id,
      by: status.account.acct,
      to: status.inReplyToId,
      text: status.content.replaceAll(/<[^>]*>/g, '').replace(/^@ana /, ''),
    }))
    const rows = (await said(id)).slice(1)
    t.same(
      rows.map(({ body, state }) => [body, state]),
      answers.map(body => [body, 'sent']),
      `${name}: rows`,
    )
    const expected = rows.map(({ external_id, body }) => ({ id: external_id, by: 'brand', to: post, text: body }))
    t.same(shown, expected, `${name}: what she sees`)
  }
  return { ...shop, proxy, ask, reply, answeredOnce }
}
