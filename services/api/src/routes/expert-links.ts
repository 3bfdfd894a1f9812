import {
  expertAnswerBody,
  expertLinkBody,
  expertLinkCreatedView,
  expertLinkParams,
  expertLinkReadBody,
  expertLinkView,
  expertQuestionView,
  idParams,
  pageOf,
  pageQuery,
} from '@parley/contracts'
import { answerQuestion, askExpert, revokeExpertLink, showQuestion } from '@parley/core'
import { type ExpertLink, findConversation, findExpertLinkByToken, listExpertLinks, seesInbox } from '@parley/db'
import { NotFound } from '@parley/domain'
import { z } from 'zod'
import { LINKS_COUNTED, openLink } from '../open-link.ts'
import { page } from '../paging.ts'
import { applyEffect } from '../plugins/effects.ts'
import { refuseUnseen } from '../refuse-unseen.ts'
import type { Routes } from '../zod-plugin.ts'

const NO_QUERY = z.strictObject({})
const EXPERT_LINK = { kind: 'expert link', find: findExpertLinkByToken }
const byId = { schema: z.string(), of: ({ id }: ExpertLink) => id }

const describe = <Link extends ExpertLink>(link: Link, now: Date) => ({
  ...link,
  created_by: { type: link.created_by_type, id: link.created_by_id },
  state: stateOf(link, now),
})

function stateOf({ answered_at, revoked_at, expires_at }: ExpertLink, now: Date) {
  if (answered_at) return 'answered' as const
  if (revoked_at) return 'revoked' as const
  return expires_at <= now ? ('expired' as const) : ('open' as const)
}

/** Questions to somebody who is no member: a link that takes one note and opens nothing else. */
export const expertLinkRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  app.get(
    '/conversations/:id/expert_links',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Collaboration'],
        summary: 'List what experts were asked about a conversation',
        params: idParams,
        querystring: pageQuery,
        response: { 200: pageOf(expertLinkView) },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        const conversation = await findConversation(trx, request.params.id)
        if (!conversation || !seesInbox(request.credential, conversation.inbox_id)) throw new NotFound('conversation')
        const found = await page(cursors, request, byId, next => listExpertLinks(trx, conversation.id, next))
        return { ...found, data: found.data.map(link => describe(link, now())) }
      }),
  )

  app.post(
    '/conversations/:id/expert_links',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Collaboration'],
        summary: 'Ask an expert who is no member; the token is shown once',
        description: 'It takes one answer. Nothing is sent: hand the token on yourself.',
        params: idParams,
        body: expertLinkBody,
        response: { 201: expertLinkCreatedView },
      },
    },
    async (request, reply) => {
      const { id: conversation_id } = request.params
      await applyEffect(ctx, request, reply, { status: 201 }, async trx => {
        await refuseUnseen(trx, request.credential, 'conversation', conversation_id)
        const link = await askExpert(trx, { conversation_id, ...request.body }, request.actor, now())
        return describe(link, now())
      })
      return reply
    },
  )

  app.delete(
    '/conversations/:id/expert_links/:link_id',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Collaboration'],
        summary: 'Take a question to an expert back',
        params: expertLinkParams,
        response: { 200: expertLinkView },
      },
    },
    async (request, reply) => {
      const { id: conversation_id, link_id: id } = request.params
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await refuseUnseen(trx, request.credential, 'conversation', conversation_id)
        if (!(await findConversation(trx, conversation_id))) throw new NotFound('conversation')
        return describe(await revokeExpertLink(trx, { id, conversation_id }, request.actor, now()), now())
      })
      return reply
    },
  )

  app.post(
    '/expert_links/read',
    {
      config: { access: 'public', idempotency: 'none' },
      schema: {
        tags: ['Collaboration'],
        summary: 'Read what an expert is asked, by the token of the link',
        description: LINKS_COUNTED,
        querystring: NO_QUERY,
        body: expertLinkReadBody,
        response: { 200: expertQuestionView },
      },
    },
    async request => {
      const shown = await openLink(ctx, request, EXPERT_LINK, ({ workspace_id, id }) =>
        db.inWorkspace(workspace_id, trx => showQuestion(trx, id, now())),
      )
      const messages = shown.messages.map(({ ours, name, body, occurred_at }) => ({
        author: ours ? 'us' : (name ?? 'customer'),
        body,
        occurred_at,
      }))
      return { ...shown, messages }
    },
  )

  app.post(
    '/expert_links/answer',
    {
      config: { access: 'public', idempotency: 'none' },
      schema: {
        tags: ['Collaboration'],
        summary: 'Answer as an expert, once, by the token of the link',
        description: LINKS_COUNTED,
        querystring: NO_QUERY,
        body: expertAnswerBody,
        response: { 201: z.object({}) },
      },
    },
    async (request, reply) => {
      await openLink(ctx, request, EXPERT_LINK, async ({ workspace_id, id }) => {
        await db.inWorkspace(workspace_id, trx => answerQuestion(trx, id, request.body.body, now()))
        ctx.wakeUps.publish(workspace_id)
      })
      return reply.code(201).send({})
    },
  )
}
