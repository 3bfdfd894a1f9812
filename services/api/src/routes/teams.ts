import { idParams, pageOf, pageQuery, teamBody, teamMemberParams, teamMembersView, teamView } from '@parley/contracts'
import { addTeamMember, changeTeam, createTeam, removeTeam, removeTeamMember } from '@parley/core'
import { findTeam, listTeamMembers, listTeams, type Trx } from '@parley/db'
import { NotFound } from '@parley/domain'
import { pageById } from '../paging.ts'
import { applyEffect } from '../plugins/effects.ts'
import type { Routes } from '../zod-plugin.ts'

/** People who work together: a team is made a member of inboxes as one. */
export const teamRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  const membersOf = async (trx: Trx, id: string) => ({ users: await listTeamMembers(trx, id) })

  app.get(
    '/teams',
    {
      config: { access: 'agent' },
      schema: { tags: ['People'], summary: 'List teams', querystring: pageQuery, response: { 200: pageOf(teamView) } },
    },
    request => pageById(ctx, cursors, request, listTeams),
  )

  app.post(
    '/teams',
    {
      config: { access: 'admin' },
      schema: { tags: ['People'], summary: 'Create a team', body: teamBody, response: { 201: teamView } },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 201 }, trx =>
        createTeam(trx, request.body.name, request.actor, now()),
      )
      return reply
    },
  )

  app.patch(
    '/teams/:id',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['People'],
        summary: 'Rename a team',
        params: idParams,
        body: teamBody,
        response: { 200: teamView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, trx =>
        changeTeam(trx, request.params.id, request.body.name, request.actor, now()),
      )
      return reply
    },
  )

  app.delete(
    '/teams/:id',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['People'],
        summary: 'Delete a team',
        description: 'Answers with the team as it was. What its people own in inboxes that they see no more goes back.',
        params: idParams,
        response: { 200: teamView },
      },
    },
    async (request, reply) => {
      await applyEffect(ctx, request, reply, { status: 200 }, trx =>
        removeTeam(trx, request.params.id, request.actor, now()),
      )
      return reply
    },
  )

  app.get(
    '/teams/:id/members',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['People'],
        summary: 'List the people of a team',
        params: idParams,
        response: { 200: teamMembersView },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        if (!(await findTeam(trx, request.params.id))) throw new NotFound('team')
        return membersOf(trx, request.params.id)
      }),
  )

  app.put(
    '/teams/:id/members/:user_id',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['People'],
        summary: 'Add a person to a team',
        params: teamMemberParams,
        response: { 200: teamMembersView },
      },
    },
    async (request, reply) => {
      const { id: team_id, user_id } = request.params
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await addTeamMember(trx, { team_id, user_id }, request.actor, now())
        return membersOf(trx, team_id)
      })
      return reply
    },
  )

  app.delete(
    '/teams/:id/members/:user_id',
    {
      config: { access: 'admin' },
      schema: {
        tags: ['People'],
        summary: 'Take a person out of a team',
        params: teamMemberParams,
        response: { 200: teamMembersView },
      },
    },
    async (request, reply) => {
      const { id: team_id, user_id } = request.params
      await applyEffect(ctx, request, reply, { status: 200 }, async trx => {
        await removeTeamMember(trx, { team_id, user_id }, request.actor, now())
        return membersOf(trx, team_id)
      })
      return reply
    },
  )
}
