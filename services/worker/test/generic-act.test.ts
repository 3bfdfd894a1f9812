import { randomUUID } from 'node:crypto'
import { connectorFor, createEgressFetch } from '@parley/connectors'
import { channelContext, queueAction, seal } from '@parley/core'
import { findMessage, findMessageAction } from '@parley/db'
import { capabilities, has, comment as posted, startReceiver, TEST_SECRET_KEY } from '@parley/testing'
import t from 'tap'
import { send } from '../src/processors/send.ts'
import { at, drain, openWorker } from './processing.ts'

const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`

t.test(
  'an integration is asked again for what it lost the answer of, under the same id, and it is so here once',
  async t => {
    const answers = ['cut' as const, { status: 503 }, { status: 204 }]
    const { url, received } = await startReceiver(t, () => answers[received.length - 1]!)
    const worker = await openWorker(t, connectorFor('generic'))
    const ctx = { ...worker.ctx, fetch: createEgressFetch(['127.0.0.0/8']) }
    const { workspace_id } = worker
    const id = randomUUID()
    const channel = await worker.addChannel({
      id,
      settings: JSON.stringify({ action_url: url, actions: ['hide'] }),
      credentials_sealed: seal(TEST_SECRET_KEY, channelContext({ workspace_id, id }), { signing_secrets: [SECRET] }),
    })
    await worker.accept(channel, [posted({ external_id: 'review-1', created_at: at('09:00:00').toISOString() })])
    await drain(worker.ctx, { workspace_id, channel_id: id })
    const [message] = await worker.messages()
    const { id: message_id, conversation_id } = message!
    const draft = {
      conversation_id,
      message_id,
      verb: 'hide' as const,
      actor: { type: 'user' as const, id: randomUUID() },
    }
    const can = () => capabilities({ actions: ['hide'] })
    const action = await worker.run(trx => queueAction(trx, draft, can, worker.clock.now))
    const state = async () => (await worker.run(trx => findMessageAction(trx, action.id)))!

    for (const outcome of ['unknown', 'unknown', 'sent']) {
      worker.clock.now = (await state()).next_attempt_at!
      t.equal(await send(ctx)({ workspace_id, message_id, action_id: action.id }), outcome)
      t.equal((await state()).state, outcome)
    }
    t.same([...new Set(received.map(({ headers }) => headers['webhook-id']))], [action.id])
    t.equal(new Set(received.map(({ rawBody }) => rawBody.toString())).size, 1)
    has(t, received[0]!.body, { data: { verb: 'hide', external_id: 'review-1' } })
    has(t, await worker.run(trx => findMessage(trx, message_id)), { hidden_at: worker.clock.now })
  },
)
