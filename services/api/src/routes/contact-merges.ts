import {
  contactLinkView,
  idParams,
  mergeBody,
  mergeView,
  pageOf,
  pageQuery,
  unmergeBody,
  unmergeView,
} from '@parley/contracts'
import { mergeContacts, unmergeContacts } from '@parley/core'
import { listContactLinks } from '@parley/db'
import { getPerson } from '../get-person.ts'
import { pageById } from '../paging.ts'
import { applyEffect } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

/** Several contacts that turn out to be one person, and the way back. */
export const contactMergeRoutes: Routes = async (app, { ctx, cursors }) => {
  const { now } = ctx

  app.get(
    '/contacts/:id/merges',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Contacts'],
        summary: 'List the merges of a contact, oldest first, those that were undone too',
        params: idParams,
        querystring: pageQuery,
        response: { 200: pageOf(contactLinkView) },
      },
    },
    request =>
      pageById(ctx, cursors, request, async (trx, next) =>
        listContactLinks(trx, await getPerson(trx, request.params.id), next),
      ),
  )

  app.post(
    '/contacts/:id/merge',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Contacts'],
        summary: 'Merge another contact into this one, or look what that would do',
        description:
          'Accounts, conversations and notes of both are found with this contact from then on, whose name, language and ' +
          'attributes stand. Everything is given back by `unmerge`. 409 when one of them was merged or erased.',
        params: idParams,
        body: mergeBody,
        response: { 200: mergeView },
      },
    },
    async (request, reply) => {
      const merge = { into_id: request.params.id, ...request.body }
      await applyEffect(ctx, request, reply, { status: 200 }, trx => mergeContacts(trx, merge, request.actor, now()))
      return reply
    },
  )

  app.post(
    '/contacts/:id/unmerge',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Contacts'],
        summary: 'Undo a merge of this contact',
        description: 'What the accounts of the restored contact have brought since the merge goes with them.',
        params: idParams,
        body: unmergeBody,
        response: { 200: unmergeView },
      },
    },
    async (request, reply) => {
      const { merge_id } = request.body
      await applyEffect(ctx, request, reply, { status: 200 }, trx =>
        unmergeContacts(trx, request.params.id, merge_id, request.actor, now()),
      )
      return reply
    },
  )
}
