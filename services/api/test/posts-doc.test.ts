import { readFileSync } from 'node:fs'
import t from 'tap'
import { work } from './comments.ts'
import { follow } from './doc-examples.ts'
import { addChannel, BEARER_SECRET, type Json, testApi } from './helper.ts'

const page = readFileSync(new URL('../../../docs/posts.md', import.meta.url), 'utf8')

t.test('the requests of the page about posts are answered as it says', async t => {
  const api = await testApi(t)
  const channel = await addChannel(api)
  const ago = (minutes: number) => new Date(api.clock.now.getTime() - minutes * 60_000).toISOString()
  const values: Record<string, string> = {
    channel_id: channel.id,
    bearer_secret: BEARER_SECRET,
    a_minute_ago: ago(1),
    an_hour_ago: ago(60),
  }
  const after = {
    'POST /hooks/{channel_id}': () => work(api, api.ours, channel.id),
    'GET /v1/posts?include=counts': ({ data }: Json) => {
      values.post_id = data[0].id
    },
    'GET /v1/posts/{post_id}/conversations?status=open&sort=waiting&include=last_message': ({ data }: Json) => {
      values.message_id = data[0].last_message.id
    },
    'GET /v1/posts/{post_id}/storm': ({ groups }: Json) => {
      values.fingerprint = groups[0].fingerprint
    },
  }
  const answers = await follow(t, api, page, values, {}, after)
  const [, { data: posts }, post, { data: conversations }, context, storm, { data: messages }, { data: asking }] =
    answers
  const counts = { open: 2, unowned: 2, waiting: 2, at_least: false, messages_last_hour: 2 }
  t.match(posts, [{ kind: 'own', text: 'Our new kettle', message_count: 2, surge: null, counts }])
  t.match(post, { id: values.post_id, counts })
  t.equal(conversations.length, 2)
  t.match(conversations, [{ post_id: values.post_id }, { post_id: values.post_id }])
  t.match(context, { post: { id: values.post_id }, message: { id: values.message_id }, ancestors: [], replies: [] })
  t.match(storm, { looked_at: 2, at_least: false, people: 2, unit: 'minute', groups: [{ count: 2, people: 2 }] })
  t.match(storm.triage, { judged: 2, questions: 1, sentiments: { neutral: 2 }, proposed_dispositions: { none: 2 } })
  t.equal(storm.sample.length, 2)
  t.match(asking, [{ body: 'Where is my order?', question: true }])
  t.equal(asking.length, 1)
  t.match(messages, [{ fingerprint: values.fingerprint }, { fingerprint: values.fingerprint }])
})
