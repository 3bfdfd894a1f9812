import {
  comment,
  firstWorkspace,
  restClient,
  serviceEnvironment,
  startApi,
  startService,
  testDatabase,
  until,
} from '@parley/testing'
import t from 'tap'

t.test('a post of a mebibyte is read back as it was written, and what was done to it is told', async t => {
  const { db, url } = await testDatabase(t)
  const { key, inbox_id } = await firstWorkspace(db)
  const env = serviceEnvironment(url, { kind: 'postgres', url })
  const api = await startApi(t, env)
  startService(t, 'worker', env)
  const admin = restClient(api.url, key)
  const bearer_secret = 'a-secret-of-the-shop-and-parley'
  const draft = { kind: 'generic', name: 'Shop', inbox_id, credentials: { bearer_secret } }
  const channel = await admin.post('/v1/channels', draft)
  t.equal(channel.status, 201, JSON.stringify(channel.body))
  const post = async (data: Record<string, unknown>) => {
    const hook = `/hooks/${channel.body.id}`
    const posted = await restClient(api.url, bearer_secret).post(hook, comment({ thread_id: 'kettle', ...data }))
    t.same([posted.status, posted.body.accepted], [202, 1], JSON.stringify(posted.body))
  }
  const read = (external_id: string, marks: string[]) =>
    until(`${external_id} is there`, async () => {
      const [conversation] = (await admin.get('/v1/conversations')).body.data
      if (!conversation) return undefined
      const { data } = (await admin.get(`/v1/conversations/${conversation.id}/messages`)).body
      return data.find(
        (message: { external_id: string; body_marks: string[] }) =>
          message.external_id === external_id && message.body_marks.join() === marks.join(),
      )
    })

  const words = 'שָׁלוֹם \u2067x\u2069 क्षि \u{1f468}\u{1f3fd}\u200d\u{1f469}\u200d\u{1f467} 1\ufe0f\u20e3\n'.normalize(
    'NFC',
  )
  const text = words.repeat(Math.floor((1024 * 1024) / Buffer.byteLength(words)))
  await post({ external_id: 'long', text: `\0${text}` })
  const long = await read('long', ['nul_removed'])
  t.ok(long.body === text, 'to the letter')
  t.equal(long.body_html, null)

  await post({ external_id: 'longer', text: `${text}${words}` })
  t.ok((await read('longer', ['truncated'])).body.startsWith(text.slice(0, -words.length)))

  const html = '<p>Where is <b>it</b>?<script>alert(1)</script></p><p>\ud83d</p>'
  await post({ external_id: 'html', text: null, html })
  const marked = await read('html', ['surrogates_replaced', 'html_cleaned'])
  t.equal(marked.body, 'Where is it?\n\n\ufffd')
  t.equal(marked.body_html, '<p>Where is <b>it</b>?</p><p>\ufffd</p>')

  const edit = { ...comment({ external_id: 'html', thread_id: 'kettle', text: 'Found it.' }), type: 'message.updated' }
  await restClient(api.url, bearer_secret).post(`/hooks/${channel.body.id}`, edit)
  const edited = await read('html', [])
  t.same([edited.body, edited.body_html], ['Found it.', null], 'an edit brings its own form')
})
