import {
  idParams,
  namedImportView,
  pageOf,
  pageQuery,
  policyBody,
  policyImportBody,
  policyPatch,
  policyVersionView,
  policyView,
} from '@parley/contracts'
import { changePolicy, createPolicy, importPolicies } from '@parley/core'
import { findPolicy, listPolicies, listPolicyVersions, type PolicyVersionRow } from '@parley/db'
import { NotFound } from '@parley/domain'
import { z } from 'zod'
import { page, pageById } from '../paging.ts'
import { applyEffect, etagOf, expectedVersion } from '../plugins/effects.ts'
import { refuseUnknownCondition } from '../refuse-unknown-actions.ts'
import type { Routes } from '../zod-plugin.ts'

/** What is promised, to whom. */
export const policyRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  app.get(
    '/sla/policies',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'List SLA policies',
        querystring: pageQuery,
        response: { 200: pageOf(policyView) },
      },
    },
    request => pageById(ctx, cursors, request, listPolicies),
  )

  app.post(
    '/sla/policies',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'Create an SLA policy; without conditions, give it to an inbox to put it to work',
        body: policyBody,
        response: { 201: policyView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 201, headers: etagOf }, async trx => {
        await refuseUnknownCondition(trx, request.body.conditions ?? {}, request.credential)
        return createPolicy(trx, request.body, request.actor, now())
      })
      return reply
    },
  )

  app.post(
    '/sla/policies/import',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'Save SLA policies by their names; what says the same makes no version',
        body: policyImportBody,
        response: { 200: namedImportView },
      },
    },
    async (request, reply) => {
      const { policies, dry_run } = request.body
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        for (const { conditions } of policies) await refuseUnknownCondition(trx, conditions ?? {}, request.credential)
        return { dry_run, data: await importPolicies(trx, policies, dry_run, request.actor, now()) }
      })
      return reply
    },
  )

  app.get(
    '/sla/policies/:id',
    {
      config: { access: 'lead' },
      schema: { tags: ['Leads'], summary: 'Read an SLA policy', params: idParams, response: { 200: policyView } },
    },
    async (request, reply) => {
      const { workspace_id } = request.credential
      const policy = await db.inWorkspace(workspace_id, trx => findPolicy(trx, request.params.id))
      if (!policy) throw new NotFound('policy')
      return reply.headers(etagOf(policy)).send(policy)
    },
  )

  app.patch(
    '/sla/policies/:id',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'Make the next version of an SLA policy, which open clocks do not follow; needs If-Match',
        params: idParams,
        body: policyPatch,
        response: { 200: policyView },
      },
    },
    async (request, reply) => {
      const seen = expectedVersion(request)
      await applyEffect(ctx, request, reply, { status: 200, headers: etagOf }, async trx => {
        await refuseUnknownCondition(trx, request.body.conditions ?? {}, request.credential)
        return changePolicy(trx, request.params.id, request.body, seen, request.actor, now())
      })
      return reply
    },
  )

  const byVersion = { schema: z.int(), of: ({ version }: PolicyVersionRow) => version }

  app.get(
    '/sla/policies/:id/versions',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Leads'],
        summary: 'List what an SLA policy was, newest first, and who made it so',
        params: idParams,
        querystring: pageQuery,
        response: { 200: pageOf(policyVersionView) },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        const { id } = request.params
        if (!(await findPolicy(trx, id))) throw new NotFound('policy')
        return page(cursors, request, byVersion, next => listPolicyVersions(trx, id, next))
      }),
  )
}
