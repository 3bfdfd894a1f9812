import { idParams, presenceBody, presenceList } from '@parley/contracts'
import {
  type Credential,
  deletePresence,
  findConversation,
  listPresence,
  type PresenceRow,
  savePresence,
  seesInbox,
  type Trx,
} from '@parley/db'
import { NotFound } from '@parley/domain'
import { personOf } from '../person.ts'
import type { Routes } from '../zod-plugin.ts'

/** Somebody is there for so long after the last time that they said so. */
const VIEWING_MS = 30_000
const TYPING_MS = 10_000

/**
 * Who is at a conversation, so that two do not answer it. It ends by itself, is in no log, and may be lost: whoever is still
 * there says so again.
 */
export const presenceRoutes: Routes = async (app, { ctx }) => {
  const { db, now } = ctx

  const read = async (trx: Trx, conversation_id: string, at: Date) => {
    const rows = await listPresence(trx, conversation_id, at)
    return { data: rows.map(row => describePresence(row, at)) }
  }

  const tell = (caller: Credential, inbox_id: string, row: Omit<PresenceRow, 'expires_at'> & Partial<PresenceRow>) => {
    const { conversation_id, user_id, expires_at, typing_until } = row
    ctx.wakeUps.tell({
      ...{ workspace_id: caller.workspace_id, inbox_id, conversation_id, user_id },
      state: expires_at ? stateOf(typing_until) : 'away',
      expires_at: expires_at?.toISOString() ?? null,
      typing_until: typing_until?.toISOString() ?? null,
    })
  }

  app.get(
    '/conversations/:id/presence',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'List who is at a conversation now',
        params: idParams,
        response: { 200: presenceList },
      },
    },
    ({ credential, params }) =>
      db.inWorkspace(credential.workspace_id, async trx => {
        await inboxOf(trx, credential, params.id)
        return read(trx, params.id, now())
      }),
  )

  app.put(
    '/conversations/:id/presence',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Say that the caller looks at a conversation, or writes at an answer',
        description:
          'Holds for 30 seconds, `typing` for 10: say it again before. Those who follow the stream of events are told. ' +
          'Answers with all who are there.',
        params: idParams,
        body: presenceBody,
        response: { 200: presenceList },
      },
    },
    async ({ credential, params, body }) => {
      const at = now()
      const { inbox_id, saved, list } = await db.inWorkspace(credential.workspace_id, async trx => {
        const inbox_id = await inboxOf(trx, credential, params.id)
        const row = {
          ...{ conversation_id: params.id, user_id: personOf(credential) },
          expires_at: new Date(at.getTime() + VIEWING_MS),
          typing_until: body.state === 'typing' ? new Date(at.getTime() + TYPING_MS) : null,
        }
        return { inbox_id, saved: await savePresence(trx, row, at), list: await read(trx, params.id, at) }
      })
      if (saved) tell(credential, inbox_id, saved)
      return list
    },
  )

  app.delete(
    '/conversations/:id/presence',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Say that the caller has left a conversation',
        description: 'Answers with those who are still there.',
        params: idParams,
        response: { 200: presenceList },
      },
    },
    async ({ credential, params }) => {
      const { inbox_id, gone, was, list } = await db.inWorkspace(credential.workspace_id, async trx => {
        const inbox_id = await inboxOf(trx, credential, params.id)
        const gone = { conversation_id: params.id, user_id: personOf(credential), typing_until: null }
        return { inbox_id, gone, was: await deletePresence(trx, gone), list: await read(trx, params.id, now()) }
      })
      if (was) tell(credential, inbox_id, gone)
      return list
    },
  )
}

/** The inbox of a conversation that the caller sees. */
async function inboxOf(trx: Trx, caller: Credential, id: string): Promise<string> {
  const conversation = await findConversation(trx, id)
  if (!conversation || !seesInbox(caller, conversation.inbox_id)) throw new NotFound('conversation')
  return conversation.inbox_id
}

const stateOf = (typing_until: Date | null) => (typing_until ? 'typing' : 'viewing')

function describePresence({ user_id, expires_at, typing_until }: PresenceRow, at: Date) {
  const typing = typing_until && typing_until > at ? typing_until : null
  return { user_id, state: stateOf(typing), expires_at, typing_until: typing } as const
}
