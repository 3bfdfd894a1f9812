import { idParams, pageOf, pageQuery, ruleBody, rulePatch, ruleView, simulateBody, simulation } from '@parley/contracts'
import {
  changeRule,
  createRule,
  type RuleAuthor,
  type RuleToTry,
  refuseUnknownAttributes,
  removeRule,
  simulateRule,
} from '@parley/core'
import { findRule, listRules, type Trx } from '@parley/db'
import { DomainError, NotFound } from '@parley/domain'
import type { FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { pageById } from '../paging.ts'
import { applyEffect, etagOf, expectedVersion } from '../plugins/effects.ts'
import { refuseUnknownNames } from '../refuse-unknown.ts'
import { refuseUnknownActions, refuseUnknownCondition } from '../refuse-unknown-actions.ts'
import type { Routes } from '../zod-plugin.ts'

type Named = Partial<Pick<z.output<typeof ruleBody>, 'inbox_ids' | 'conditions' | 'actions'>>

/** What happens by itself. */
export const ruleRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  const authorOf = ({ actor, credential }: FastifyRequest): RuleAuthor => ({ actor, reach: credential })
  const refuseUnknown = async (trx: Trx, named: Named, request: FastifyRequest, at = '') => {
    const { inbox_ids, conditions = {}, actions } = named
    await refuseUnknownNames(trx, 'inbox', inbox_ids ?? [], request.credential)
    await refuseUnknownCondition(trx, conditions, request.credential)
    await refuseUnknownAttributes(trx, conditions, `${at}/conditions`)
    await refuseUnknownActions(trx, actions ?? [], request.credential)
  }

  app.get(
    '/rules',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Rules'],
        summary: 'List the rules of inboxes that you see',
        querystring: pageQuery,
        response: { 200: pageOf(ruleView) },
      },
    },
    request => pageById(ctx, cursors, request, (trx, next) => listRules(trx, request.credential, next)),
  )

  app.post(
    '/rules',
    {
      config: { access: 'lead' },
      schema: { tags: ['Rules'], summary: 'Save a rule', body: ruleBody, response: { 201: ruleView } },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 201, headers: etagOf }, async trx => {
        await refuseUnknown(trx, request.body, request)
        return createRule(trx, request.body, authorOf(request), now())
      })
      return reply
    },
  )

  app.get(
    '/rules/:id',
    {
      config: { access: 'lead' },
      schema: { tags: ['Rules'], summary: 'Read a rule', params: idParams, response: { 200: ruleView } },
    },
    async (request, reply) => {
      const { workspace_id } = request.credential
      const rule = await db.inWorkspace(workspace_id, trx => findRule(trx, request.credential, request.params.id))
      if (!rule) throw new NotFound('rule')
      return reply.headers(etagOf(rule)).send(rule)
    },
  )

  app.patch(
    '/rules/:id',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Rules'],
        summary: 'Make the next version of a rule, or switch it on or off; needs If-Match',
        params: idParams,
        body: rulePatch,
        response: { 200: ruleView },
      },
    },
    async (request, reply) => {
      const seen = expectedVersion(request)
      await applyEffect(ctx, request, reply, { status: 200, headers: etagOf }, async trx => {
        await refuseUnknown(trx, request.body, request)
        return changeRule(trx, request.params.id, request.body, seen, authorOf(request), now())
      })
      return reply
    },
  )

  app.delete(
    '/rules/:id',
    {
      config: { access: 'lead' },
      schema: { tags: ['Rules'], summary: 'Delete a rule', params: idParams, response: { 200: ruleView } },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, trx =>
        removeRule(trx, request.params.id, authorOf(request), now()),
      )
      return reply
    },
  )

  const ruleToTry = async (
    trx: Trx,
    { rule, rule_id }: z.output<typeof simulateBody>,
    request: FastifyRequest,
  ): Promise<RuleToTry> => {
    if (rule) {
      await refuseUnknown(trx, rule, request, '/rule')
      return rule
    }
    const saved = await findRule(trx, request.credential, rule_id!)
    if (!saved) throw new DomainError('validation_failed', `There is no rule ${rule_id}.`)
    return saved as RuleToTry
  }

  app.post(
    '/rules/simulate',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Rules'],
        summary: 'Tell what a rule would have matched lately, and change nothing',
        body: simulateBody,
        response: { 200: simulation },
      },
    },
    request =>
      db.readInWorkspace(request.credential.workspace_id, async trx => {
        const rule = await ruleToTry(trx, request.body, request)
        return simulateRule(trx, rule, request.body, request.credential, now(), ctx.monotonicMs)
      }),
  )
}
