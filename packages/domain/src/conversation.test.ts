import { test } from 'tap'
import {
  CONVERSATION_STATUSES,
  type ConversationStatus,
  statusAfterCustomerMessage,
  statusAfterReplySent,
} from './conversation.ts'

test("a customer's message opens everything but spam", async t => {
  const after: Record<ConversationStatus, ConversationStatus> = {
    open: 'open',
    pending: 'open',
    snoozed: 'open',
    resolved: 'open',
    spam: 'spam',
    merged: 'merged',
  }
  for (const status of CONVERSATION_STATUSES) t.equal(statusAfterCustomerMessage(status), after[status], status)
})

test('an accepted reply hands the conversation to the customer', async t => {
  for (const status of ['open', 'pending'] as const) {
    t.equal(statusAfterReplySent(status, { resolve_after: false, somebody_waits: false }), 'pending', status)
    t.equal(statusAfterReplySent(status, { resolve_after: true, somebody_waits: false }), 'resolved', status)
  }
})

test('while somebody else in it waits, the conversation stays with us', async t => {
  for (const status of ['open', 'pending'] as const) {
    for (const resolve_after of [true, false]) {
      t.equal(
        statusAfterReplySent(status, { resolve_after, somebody_waits: true }),
        'open',
        `${status} ${resolve_after}`,
      )
    }
  }
})

test('an accepted reply does not undo what a person decided', async t => {
  for (const status of ['snoozed', 'resolved', 'spam'] as const) {
    for (const resolve_after of [true, false]) {
      for (const somebody_waits of [true, false]) {
        t.equal(statusAfterReplySent(status, { resolve_after, somebody_waits }), status)
      }
    }
  }
})

test('a second accepted reply changes nothing more', async t => {
  for (const status of CONVERSATION_STATUSES) {
    for (const resolve_after of [true, false]) {
      for (const somebody_waits of [true, false]) {
        const facts = { resolve_after, somebody_waits }
        const once = statusAfterReplySent(status, facts)
        t.equal(statusAfterReplySent(once, facts), once, JSON.stringify({ status, ...facts }))
      }
    }
  }
})
