import { advanceBatch, createBatch, finishAction, queueAction, takeActionTask, undoBatch } from '@parley/core'
import { findBatch, listItems, type Message, type MessageBatch, type Reach } from '@parley/db'
import type { ActionVerb, BatchVerb } from '@parley/domain'
import { capabilities } from '@parley/testing'
import { at, type Inbox } from './inbox.ts'

export type Order = Parameters<typeof createBatch>[1]
const EVERYTHING = { id: '', user_id: null, inbox_ids: null }
const ALL_VERBS: ActionVerb[] = ['like', 'unlike', 'hide', 'unhide', 'delete']

/** What the tests of batches do in an inbox. Networks can do everything but what `verbs` leaves out. */
export function moderation(inbox: Inbox, verbs: ActionVerb[] = ALL_VERBS) {
  const { run, agent } = inbox
  const can = () => capabilities({ actions: verbs })
  const make = (order: Order, time = '10:00:00', caller: Reach = EVERYTHING) =>
    run(trx => createBatch(trx, order, { ...EVERYTHING, ...caller }, agent, at(time)))
  const part = (id: string, time: string, limit = 50) =>
    run(trx => advanceBatch(trx, id, limit, can, at(time), { message_ids: [] }))
  const read = async ({ id }: { id: string }) => (await run(trx => findBatch(trx, id, EVERYTHING)))!
  const items = ({ id }: { id: string }) => run(trx => listItems(trx, id, {}, { limit: 1_000 }))

  /** Goes through a batch until nothing more can be done at that time. */
  const goOn = async (batch: MessageBatch, time = '10:00:01', limit = 50): Promise<MessageBatch> => {
    while ((await part(batch.id, time, limit)).ended === 'more');
    return read(batch)
  }
  const act = async (order: Order, time?: string) => goOn(await make(order, time), time)
  const undo = async (batch: MessageBatch, time = '10:10:00') =>
    goOn(await run(trx => undoBatch(trx, batch.id, EVERYTHING, agent, at(time))), time)

  /** By the network's id of each message, what became of it: a refusal by its code. */
  const results = async (batch: MessageBatch) => {
    const names = new Map((await inbox.everything('messages')).map(({ id, external_id }) => [id, external_id]))
    const found = await items(batch)
    return Object.fromEntries(found.map(({ message_id, result, code }) => [names.get(message_id), code ?? result]))
  }
  const find = async (external_id: string): Promise<Message> =>
    (await inbox.everything('messages')).find(message => message.external_id === external_id)!
  const idsOf = async (...external_ids: string[]) =>
    (await Promise.all(external_ids.map(find))).map(message => message.id)
  /** The external ids of messages that are so. */
  const those = async (so: (message: Message) => unknown) =>
    (await inbox.everything('messages')).filter(so).map(message => message.external_id)

  const actions = () => run(trx => trx.selectFrom('message_actions').selectAll().orderBy('created_at').execute())
  /** Somebody does something to one message on its network. */
  const queue = async (external_id: string, verb: BatchVerb, time: string) => {
    const { id: message_id, conversation_id } = await find(external_id)
    return run(trx => queueAction(trx, { message_id, conversation_id, verb, actor: agent }, can, at(time)))
  }
  /** The network takes all that is queued, in its order, or refuses it. */
  const network = async (time: string, answer: 'sent' | 'rejected' = 'sent') => {
    for (const { id } of await actions()) {
      const task = await run(trx => takeActionTask(trx, id, at(time)))
      if (task.task !== 'act') continue
      const said = { sent: { outcome: answer, accepted_at: at(time) }, rejected: { outcome: answer, reason: 'No.' } }
      await run(trx => finishAction(trx, task.attempt, said[answer] as never, at(time), 0))
    }
  }
  const log = (type: string) =>
    run(trx => trx.selectFrom('events').selectAll().where('type', '=', type).orderBy('seq').execute())
  return { make, part, goOn, act, undo, read, items, results, find, idsOf, those, actions, queue, network, log }
}
