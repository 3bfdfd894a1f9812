// Records what the connector's unit tests read: the payloads of one poll of the real servers.
// From the repository's root, with PEER_POSTGRES_URL and PEER_REDIS_HOST set:
//   node --import=tsx --conditions=parley-source peers/bluesky/record-payloads.ts
import { writeFile } from 'node:fs/promises'
import { blueskyConnector } from '../../packages/connectors/src/bluesky/index.ts'
import { answerTo, connectChannel, contextFor, createPerson, post, quoteOf } from './people.ts'
import { startNetwork } from './start-network.ts'

const { PEER_POSTGRES_URL, PEER_REDIS_HOST } = process.env
const network = await startNetwork({ postgresUrl: PEER_POSTGRES_URL!, redisHost: PEER_REDIS_HOST! })
try {
  const brand = await createPerson(network.pds_url, 'brand.test')
  const ana = await createPerson(network.pds_url, 'anna.test')
  await ana.upsertProfile(() => ({ displayName: 'Ana 🌻' }))
  const bob = await createPerson(network.pds_url, 'bobby.test')
  const news = await post(brand, 'Our new opening hours')
  await network.flush()

  const mention = await post(ana, 'Hello @brand.test, 🌻 is this right?')
  const reply = await post(ana, 'What about Sunday?', answerTo(news))
  const quote = await post(ana, 'Look at this', quoteOf(news))
  const link = '👩‍👩‍👧 @brand.test see shop.example.com/very…'
  const shown = 'shop.example.com/very…'
  const byteStart = Buffer.byteLength(link.slice(0, link.indexOf(shown)))
  const linkFacet = {
    index: { byteStart, byteEnd: byteStart + Buffer.byteLength(shown) },
    features: [{ $type: 'app.bsky.richtext.facet#link', uri: 'https://shop.example.com/very/long/path?x=1' }],
  }
  const mentionStart = Buffer.byteLength('👩‍👩‍👧 ')
  const mentionFacet = {
    index: { byteStart: mentionStart, byteEnd: mentionStart + '@brand.test'.length },
    features: [{ $type: 'app.bsky.richtext.facet#mention', did: brand.assertDid }],
  }
  const shortened = await ana.post({ text: link, facets: [mentionFacet, linkFacet] })
  await network.flush()
  const comment = await post(bob, 'Sunday would be nice', answerTo(news, reply))
  const everything = await post(bob, '@brand.test and this too', { ...answerTo(news), ...quoteOf(news) })
  await network.flush()

  const channel = await connectChannel(brand, network.pds_url, 'recorder')
  const page = await blueskyConnector.poll!(channel, null, contextFor(channel))
  const refs = { mention, reply, quote, shortened, comment, everything }
  const payloadOf = ({ uri }: { uri: string }) =>
    page.events.find(({ dedup_key }) => dedup_key.startsWith(uri))?.payload
  const payloads = Object.fromEntries(Object.entries(refs).map(([name, ref]) => [name, payloadOf(ref)]))
  const file = new URL('recorded-payloads.json', import.meta.url)
  await writeFile(file, `${JSON.stringify({ our_did: brand.assertDid, news, ...payloads }, null, 2)}\n`)
} finally {
  await network.stop()
}
