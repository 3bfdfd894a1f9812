import {
  idParams,
  macroBody,
  macroPatch,
  macroRun,
  macroRunBody,
  macroRunParams,
  macroView,
  pageOf,
  pageQuery,
} from '@parley/contracts'
import { changeMacro, createMacro, removeMacro, runMacro } from '@parley/core'
import { findMacro, listMacros, type Message, type Trx } from '@parley/db'
import { NotFound } from '@parley/domain'
import type { FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { deliveryOf } from '../capabilities-of.ts'
import { pageById } from '../paging.ts'
import { applyEffect, etagOf, expectedVersion } from '../plugins/effects.ts'
import { refuseUnknownActions } from '../refuse-unknown-actions.ts'
import { refuseUnseen } from '../refuse-unseen.ts'
import { sharingAuthor } from '../sharing-author.ts'
import type { Routes } from '../zod-plugin.ts'

/** Actions that people do again and again, under one name. */
export const macroRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  app.get(
    '/macros',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Macros'],
        summary: 'List the macros that you see',
        querystring: pageQuery,
        response: { 200: pageOf(macroView) },
      },
    },
    request =>
      pageById(ctx, cursors, request, async (trx, next) =>
        listMacros(trx, await sharingAuthor(trx, request), next),
      ) as Promise<z.output<ReturnType<typeof pageOf<typeof macroView>>>>,
  )

  app.post(
    '/macros',
    {
      config: { access: 'agent' },
      schema: { tags: ['Macros'], summary: 'Save a macro', body: macroBody, response: { 201: macroView } },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 201, headers: etagOf }, async trx => {
        await refuseUnknownActions(trx, request.body.actions, request.credential)
        return createMacro(trx, request.body, await sharingAuthor(trx, request), now())
      })
      return reply
    },
  )

  app.get(
    '/macros/:id',
    {
      config: { access: 'agent' },
      schema: { tags: ['Macros'], summary: 'Read a macro', params: idParams, response: { 200: macroView } },
    },
    async (request, reply) => {
      const macro = await db.inWorkspace(request.credential.workspace_id, async trx =>
        findMacro(trx, await sharingAuthor(trx, request), request.params.id),
      )
      if (!macro) throw new NotFound('macro')
      return reply.headers(etagOf(macro)).send(macro as z.output<typeof macroView>)
    },
  )

  app.patch(
    '/macros/:id',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Macros'],
        summary: 'Change a macro; needs If-Match',
        params: idParams,
        body: macroPatch,
        response: { 200: macroView },
      },
    },
    async (request, reply) => {
      const seen = expectedVersion(request)
      await applyEffect(ctx, request, reply, { status: 200, headers: etagOf }, async trx => {
        await refuseUnknownActions(trx, request.body.actions ?? [], request.credential)
        return changeMacro(trx, request.params.id, request.body, seen, await sharingAuthor(trx, request), now())
      })
      return reply
    },
  )

  app.delete(
    '/macros/:id',
    {
      config: { access: 'agent' },
      schema: { tags: ['Macros'], summary: 'Delete a macro', params: idParams, response: { 200: macroView } },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, async trx =>
        removeMacro(trx, request.params.id, await sharingAuthor(trx, request), now()),
      )
      return reply
    },
  )

  const run = async (
    trx: Trx,
    request: FastifyRequest<{ Params: { id: string; macro_id: string }; Body: z.output<typeof macroRunBody> }>,
  ) => {
    const { credential, actor, body, params } = request
    await refuseUnseen(trx, credential, 'conversation', params.id)
    const reply = { author: actor, deliveryOf, seen_up_to: body.seen_up_to, force: body.force }
    const target = { id: params.macro_id, conversation_id: params.id }
    const author = await sharingAuthor(trx, request as FastifyRequest)
    const acting = { actor, user_id: credential.user_id, reply }
    const { macro, outcomes, queued } = await runMacro(trx, target, author, acting, now())
    const ran = { macro_id: macro.id, version: macro.version, dry_run: body.dry_run, actions: outcomes, queued }
    return ran
  }

  app.post(
    '/conversations/:id/macros/:macro_id/run',
    {
      config: { access: 'agent', idempotency: 'required' },
      schema: {
        tags: ['Macros'],
        summary: 'Do what a macro says, with a result for each action; needs an Idempotency-Key',
        params: macroRunParams,
        body: macroRunBody,
        response: { 200: macroRun },
      },
    },
    async (request, reply) => {
      if (request.body.dry_run) {
        const tried = await db
          .inWorkspace(request.credential.workspace_id, async trx => {
            throw new Tried(await run(trx, request))
          })
          .catch(error => {
            if (error instanceof Tried) return error.what as z.output<typeof macroRun>
            throw error
          })
        return reply.send(tried)
      }
      const ran = await applyEffect(ctx, request, reply, { status: 200 }, trx => run(trx, request))
      for (const { workspace_id, id, next_attempt_at } of (ran?.queued ?? []) as Message[])
        if (next_attempt_at) ctx.hints.send({ workspace_id, message_id: id })
      return reply
    },
  )
}

/** Thrown to undo what was only tried. */
class Tried extends Error {
  readonly what: unknown
  constructor(what: unknown) {
    super('only tried')
    this.what = what
  }
}
