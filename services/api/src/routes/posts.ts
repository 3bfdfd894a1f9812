import {
  idParams,
  listedConversation,
  messageContext,
  pageOf,
  postConversationQuery,
  postMessageQuery,
  postMessageView,
  postQuery,
  postView,
  stormQuery,
  stormView,
} from '@parley/contracts'
import { readPostStorm } from '@parley/core'
import {
  type Credential,
  countOnPosts,
  countSince,
  findConversation,
  findMessage,
  findPost,
  type ListedPost,
  listAround,
  listPostMessages,
  listPosts,
  type Message,
  type Trx,
} from '@parley/db'
import { minuteOf, NotFound } from '@parley/domain'
import { z } from 'zod'
import { filterFor } from '../conversation-filter.ts'
import { describePost } from '../describe-post.ts'
import { positionsOf, readConversations } from '../list-conversations.ts'
import { page } from '../paging.ts'
import { refuseUnseen } from '../refuse-unseen.ts'
import { withAttachments } from '../with-attachments.ts'
import type { Routes } from '../zod-plugin.ts'

const instant = z.iso.datetime().transform(text => new Date(text))
const byActivity = {
  schema: z.object({ last_message_at: instant, id: z.string() }),
  of: ({ last_message_at, id }: { last_message_at: Date; id: string }) => ({ last_message_at, id }),
}
const byTime = {
  schema: z.object({ at: instant, message_id: z.string() }),
  of: ({ at, message_id }: { at: Date; message_id: string }) => ({ at, message_id }),
}
const orNull = (value: string | undefined) => (value === 'none' ? null : value)
/** Conversations are counted so far, of each post of a list and of one that is read by itself. */
const COUNTED = { list: 1_000, one: 10_000 }
const HOUR_MINUTES = 60

/** What comments are on. */
export const postRoutes: Routes = async (app, { ctx, cursors }) => {
  const { db, now } = ctx

  const getPost = async (trx: Trx, caller: Credential, id: string): Promise<ListedPost> => {
    await refuseUnseen(trx, caller, 'post', id)
    const post = await findPost(trx, id)
    if (!post) throw new NotFound('post')
    return post
  }
  const withCounts = async (trx: Trx, posts: ListedPost[], { inbox_ids }: Credential, most: number) => {
    const ids = posts.map(({ id }) => id)
    const [counts, rates] = await Promise.all([
      countOnPosts(trx, ids, inbox_ids, most),
      countSince(trx, ids, minuteOf(now()) - HOUR_MINUTES),
    ])
    const countsOf = new Map(counts.map(one => [one.post_id, one]))
    return posts.map(post => ({
      ...describePost(post),
      counts: { ...countsOf.get(post.id)!, messages_last_hour: rates.get(post.id) ?? 0 },
    }))
  }

  app.get(
    '/posts',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Posts'],
        summary: 'List what comments are on, newest activity first',
        querystring: postQuery,
        response: { 200: pageOf(postView) },
      },
    },
    request => {
      const { channel_id, surging, include } = request.query
      const { credential } = request
      const surging_at = surging ? now() : undefined
      const filter = { channel_id, inbox_ids: credential.inbox_ids ?? undefined, surging_at }
      return db.inWorkspace(credential.workspace_id, async trx => {
        const found = await page(cursors, request, byActivity, next => listPosts(trx, filter, next))
        if (!include) return { ...found, data: found.data.map(describePost) }
        return { ...found, data: await withCounts(trx, found.data, credential, COUNTED.list) }
      })
    },
  )

  app.get(
    '/posts/:id',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Posts'],
        summary: 'Read a post, with how much waits on it',
        params: idParams,
        response: { 200: postView },
      },
    },
    ({ credential, params }) =>
      db.inWorkspace(credential.workspace_id, async trx => {
        const post = await getPost(trx, credential, params.id)
        return (await withCounts(trx, [post], credential, COUNTED.one))[0]!
      }),
  )

  app.get(
    '/posts/:id/conversations',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Posts'],
        summary: 'List the conversations on a post',
        params: idParams,
        querystring: postConversationQuery,
        response: { 200: pageOf(listedConversation) },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        const { sort, include = [], limit: _, cursor: __, ...written } = request.query
        const { id: post_id } = await getPost(trx, request.credential, request.params.id)
        const filter = await filterFor(trx, { ...written, post_id }, request.credential, now())
        return page(cursors, request, positionsOf(sort), next =>
          readConversations(trx, filter, { sort, ...next }, include, request.credential.user_id),
        )
      }),
  )

  app.get(
    '/posts/:id/messages',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Posts'],
        summary: 'List what customers say on a post, newest first; by what it says, and by what triage found',
        params: idParams,
        querystring: postMessageQuery,
        response: { 200: pageOf(postMessageView) },
      },
    },
    request =>
      db.inWorkspace(request.credential.workspace_id, async trx => {
        const { id } = await getPost(trx, request.credential, request.params.id)
        const { fingerprint, language, question, sentiment, proposed_disposition, disposition } = request.query
        const filter = {
          fingerprint,
          language: orNull(language),
          question: question && question === 'true',
          sentiment,
          proposed_disposition: orNull(proposed_disposition),
        }
        return page(cursors, request, byTime, next => listPostMessages(trx, id, filter, disposition, next))
      }),
  )

  app.get(
    '/posts/:id/storm',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Posts'],
        summary: 'Read what the newest 20,000 messages on a post have in common',
        params: idParams,
        querystring: stormQuery,
        response: { 200: stormView },
      },
    },
    ({ credential, params, query }) =>
      db.inWorkspace(credential.workspace_id, async trx => {
        const { id } = await getPost(trx, credential, params.id)
        return readPostStorm(trx, id, query.seed)
      }),
  )

  app.get(
    '/messages/:id/context',
    {
      config: { access: 'agent' },
      schema: {
        tags: ['Posts'],
        summary: 'Read what stands around a message: its post, what it answers, what answers it',
        params: idParams,
        response: { 200: messageContext },
      },
    },
    ({ credential, params }) =>
      db.inWorkspace(credential.workspace_id, async trx => {
        await refuseUnseen(trx, credential, 'message', params.id)
        const message = await findMessage(trx, params.id)
        if (!message) throw new NotFound('message')
        const [conversation, around] = await Promise.all([
          findConversation(trx, message.conversation_id),
          listAround(trx, message, credential.inbox_ids),
        ])
        const post = conversation?.post_id ? await findPost(trx, conversation.post_id) : undefined
        const { ancestors, before, after, replies } = around
        const all = [message, ...ancestors, ...before, ...after, ...replies]
        const views = new Map((await withAttachments(trx, all)).map(view => [view.id, view]))
        const viewsOf = (messages: Message[]) => messages.map(({ id }) => views.get(id)!)
        return {
          post: post ? describePost(post) : null,
          ancestors: viewsOf(ancestors),
          before: viewsOf(before),
          message: views.get(message.id)!,
          after: viewsOf(after),
          replies: viewsOf(replies),
        } as z.output<typeof messageContext>
      }),
  )
}
