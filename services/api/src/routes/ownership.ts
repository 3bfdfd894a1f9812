import {
  assigneeBody,
  assignmentView,
  conversationView,
  idParams,
  pageOf,
  pageQuery,
  teamChange,
} from '@parley/contracts'
import {
  assignConversation,
  changeConversationTeam,
  claimConversation,
  claimNext,
  type Next,
  notHere,
} from '@parley/core'
import {
  type ConversationWithContact,
  type DecidedAssignment,
  findConversation,
  listAssignments,
  type Trx,
} from '@parley/db'
import { DomainError, explainDecision, NotFound } from '@parley/domain'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { NextConversations } from '../next-conversations.ts'
import { pageById } from '../paging.ts'
import { applyEffect, etagOf, idempotencyKey } from '../plugins/effects.ts'
import { refuseUnseen, refuseUnseenInbox } from '../refuse-unseen.ts'
import type { Routes } from '../zod-plugin.ts'

type ToConversation = FastifyRequest & { params: { id: string } }

/** Who works on what: by hand, by claiming it, and how that came about. */
export const ownershipRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx
  const waiting = new NextConversations(db, now)

  /** Answers with the conversation as it is after a change that only who sees it can make. */
  const answerChanged = async (request: ToConversation, reply: FastifyReply, change: (trx: Trx) => Promise<void>) => {
    const { id } = request.params
    await applyEffect(ctx, request, reply, { status: 200, headers: etagOf }, async trx => {
      await refuseUnseen(trx, request.credential, 'conversation', id)
      await change(trx)
      return getConversation(trx, id)
    })
    return reply
  }

  app.put(
    '/conversations/:id/assignee',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Assign or unassign, if the owner is still the one you saw',
        params: idParams,
        body: assigneeBody,
        response: { 200: conversationView },
      },
    },
    (request, reply) =>
      answerChanged(request, reply, async trx => {
        const owners = { from: request.body.from, to: request.body.assignee_id }
        await assignConversation(trx, request.params.id, owners, request.actor, now())
      }),
  )

  app.post(
    '/conversations/:id/claim',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Take a conversation that nobody owns',
        params: idParams,
        response: { 200: conversationView },
      },
    },
    (request, reply) => {
      const user_id = personOf(request)
      return answerChanged(request, reply, async trx => {
        await claimConversation(trx, request.params.id, user_id, request.actor, now())
      })
    },
  )

  app.put(
    '/conversations/:id/team',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Give a conversation to a team or to none, if its team is still the one you saw',
        params: idParams,
        body: teamChange,
        response: { 200: conversationView },
      },
    },
    (request, reply) =>
      answerChanged(request, reply, async trx => {
        const teams = { from: request.body.from, to: request.body.team_id }
        await changeConversationTeam(trx, request.params.id, teams, request.actor, now())
      }),
  )

  app.post(
    '/inboxes/:id/next',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'Take the most urgent conversation that nobody owns',
        description: 'Answers 204 when nothing waits. No two callers get the same conversation.',
        params: idParams,
        response: { 200: conversationView, 204: z.null() },
      },
    },
    async (request, reply) => {
      const { workspace_id } = request.credential
      const inbox_id = request.params.id
      const claimant = { user_id: personOf(request), actor: request.actor }
      refuseUnseenInbox(request.credential, inbox_id)
      const options = {
        status: (taken: Taken) => (taken ? 200 : 204),
        headers: (taken: Taken): Record<string, string> => (taken ? etagOf(taken) : {}),
      }
      // An answer that is stored is stored in one transaction with its effect, which is then nobody else's.
      if (idempotencyKey(request)) {
        await applyEffect(ctx, request, reply, options, async trx => {
          const [next] = await claimNext(trx, inbox_id, [claimant], now())
          return takenOf(next!)
        })
      } else {
        const taken = takenOf(await waiting.ask(workspace_id, inbox_id, claimant))
        reply
          .code(options.status(taken))
          .headers(options.headers(taken))
          .send(taken ?? null)
        ctx.wakeUps.publish(workspace_id)
      }
      return reply
    },
  )

  app.get(
    '/conversations/:id/assignments',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Conversations'],
        summary: 'List who owned a conversation and why, from the first on',
        params: idParams,
        querystring: pageQuery,
        response: { 200: pageOf(assignmentView) },
      },
    },
    async request => {
      const found = await pageById(ctx, cursors, request, async (trx, page) => {
        await refuseUnseen(trx, request.credential, 'conversation', request.params.id)
        await getConversation(trx, request.params.id)
        return listAssignments(trx, request.params.id, page)
      })
      return { ...found, data: found.data.map(describeAssignment) }
    },
  )
}

async function getConversation(trx: Trx, id: string) {
  const conversation = await findConversation(trx, id)
  if (!conversation) throw new NotFound('conversation')
  return conversation
}

type Taken = ConversationWithContact | undefined

/** What somebody gets; a lone one is never asked to come again. */
function takenOf(next: Next): Taken {
  if (next === 'not_here') throw notHere()
  return typeof next === 'string' ? undefined : next
}

function personOf({ credential: { user_id } }: FastifyRequest): string {
  if (!user_id) throw new DomainError('validation_failed', 'This key acts as no person, so it can own nothing.')
  return user_id
}

function describeAssignment(row: DecidedAssignment): z.output<typeof assignmentView> {
  const { id, conversation_id, user_id, previous_user_id, assigned_at, reason, rule, candidates } = row
  const decision =
    rule && user_id && candidates
      ? { rule, words: explainDecision({ rule, user_id, considered: candidates }), candidates }
      : null
  return {
    id,
    conversation_id,
    assignee_id: user_id,
    previous_assignee_id: previous_user_id,
    actor: { type: row.actor_type, id: row.actor_id },
    at: assigned_at,
    reason,
    decision,
  }
}
