import {
  idParams,
  inboxBody,
  inboxMembersView,
  inboxPatch,
  inboxTeamParams,
  inboxUserParams,
  inboxView,
  pageOf,
  pageQuery,
} from '@parley/contracts'
import { addInboxMember, changeInbox, createInbox, removeInbox, removeInboxMember } from '@parley/core'
import { findInbox, type InboxMember, listInboxes, type Reach, readInboxMembers, seesInbox, type Trx } from '@parley/db'
import { DomainError, NotFound } from '@parley/domain'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { pageById } from '../paging.ts'
import { applyEffect } from '../plugins/effects.ts'
import { refuseUnseen } from '../refuse-unseen.ts'
import type { Routes } from '../zod-plugin.ts'

/** Where conversations are worked on, and by whom. */
export const inboxRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  const getInbox = async (trx: Trx, caller: Reach, id: string) => {
    const inbox = await findInbox(trx, id)
    if (!inbox || !seesInbox(caller, id)) throw new NotFound('inbox')
    return inbox
  }

  app.get(
    '/inboxes',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Channels'],
        summary: 'List inboxes',
        querystring: pageQuery,
        response: { 200: pageOf(inboxView) },
      },
    },
    request => pageById(ctx, cursors, request, (trx, page) => listInboxes(trx, request.credential, page)),
  )

  app.post(
    '/inboxes',
    {
      config: { access: 'admin' },
      schema: { tags: ['Channels'], summary: 'Create an inbox', body: inboxBody, response: { 201: inboxView } },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 201 }, trx =>
        createInbox(trx, request.body, request.actor, now()),
      )
      return reply
    },
  )

  app.get(
    '/inboxes/:id',
    {
      config: { access: 'agent' },
      schema: { tags: ['Channels'], summary: 'Read an inbox', params: idParams, response: { 200: inboxView } },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, trx => getInbox(trx, request.credential, request.params.id)),
  )

  app.patch(
    '/inboxes/:id',
    {
      config: { access: 'lead' },
      schema: {
        tags: ['Channels'],
        summary: 'Rename an inbox, give it an SLA policy, open it to all or close it',
        description: 'Who sees an inbox is for administrators to say: `open_to_all` needs the role admin.',
        params: idParams,
        body: inboxPatch,
        response: { 200: inboxView },
      },
    },
    async (request, reply) => {
      if (request.body.open_to_all !== undefined && request.credential.role !== 'admin') {
        throw new DomainError('forbidden', 'Opening and closing an inbox needs the role admin.')
      }
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await refuseUnseen(trx, request.credential, 'inbox', request.params.id)
        return changeInbox(trx, request.params.id, request.body, request.actor, now())
      })
      return reply
    },
  )

  app.delete(
    '/inboxes/:id',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Channels'],
        summary: 'Delete an inbox that nothing belongs to',
        description:
          'Answers with the inbox as it was; 409 while channels, conversations or saved replies belong to it.',
        params: idParams,
        response: { 200: inboxView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, trx =>
        removeInbox(trx, request.params.id, request.actor, now()),
      )
      return reply
    },
  )

  app.get(
    '/inboxes/:id/members',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Channels'],
        summary: 'List the people and teams of an inbox',
        params: idParams,
        response: { 200: inboxMembersView },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx =>
        readInboxMembers(trx, await getInbox(trx, request.credential, request.params.id)),
      ),
  )

  const changeMembers = async (
    change: typeof addInboxMember | typeof removeInboxMember,
    request: FastifyRequest,
    reply: FastifyReply,
    inbox_id: string,
    member: InboxMember,
  ) => {
    await applyEffect(ctx, request, reply, { status: 200 }, trx => change(trx, inbox_id, member, request.actor, now()))
    return reply
  }
  const FIRST_MEMBER =
    'The first member of an inbox that is open to all closes it: from then on its members and administrators see it.'
  const LAST_MEMBER =
    'What they own there and see no more goes back to the queue. An inbox whose last member leaves stays closed.'

  app.put(
    '/inboxes/:id/members/:user_id',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Channels'],
        summary: 'Make a person a member of an inbox',
        description: FIRST_MEMBER,
        params: inboxUserParams,
        response: { 200: inboxMembersView },
      },
    },
    (request, reply) =>
      changeMembers(addInboxMember, request, reply, request.params.id, { user_id: request.params.user_id }),
  )

  app.delete(
    '/inboxes/:id/members/:user_id',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Channels'],
        summary: 'Take a person out of an inbox',
        description: LAST_MEMBER,
        params: inboxUserParams,
        response: { 200: inboxMembersView },
      },
    },
    (request, reply) =>
      changeMembers(removeInboxMember, request, reply, request.params.id, { user_id: request.params.user_id }),
  )

  app.put(
    '/inboxes/:id/teams/:team_id',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Channels'],
        summary: 'Make a team a member of an inbox',
        description: FIRST_MEMBER,
        params: inboxTeamParams,
        response: { 200: inboxMembersView },
      },
    },
    (request, reply) =>
      changeMembers(addInboxMember, request, reply, request.params.id, { team_id: request.params.team_id }),
  )

  app.delete(
    '/inboxes/:id/teams/:team_id',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['Channels'],
        summary: 'Take a team out of an inbox',
        description: LAST_MEMBER,
        params: inboxTeamParams,
        response: { 200: inboxMembersView },
      },
    },
    (request, reply) =>
      changeMembers(removeInboxMember, request, reply, request.params.id, { team_id: request.params.team_id }),
  )
}
