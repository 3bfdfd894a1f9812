import {
  CONVERSATION_PRIORITIES,
  CONVERSATION_SORTS,
  CONVERSATION_STATUSES,
  type ConversationSort,
  VIEW_SCOPES,
} from '@parley/domain'
import { z } from 'zod'
import { attributeFilter } from './attributes.ts'
import { id, instantIn, instantOut, language, name, pageQuery, safeText } from './common.ts'
import { listOf } from './query.ts'
import { searchText } from './search.ts'

const MAX_CHOICES = 20
const MAX_TAG_BYTES = 100

/** A tag is known by its name, whatever its case. */
export const tagName = safeText(MAX_TAG_BYTES).meta({ type: 'string', minLength: 1 })

const nobody = z.literal('none')
const choices = {
  status: z.enum(CONVERSATION_STATUSES),
  inbox_id: id,
  priority: z.enum(CONVERSATION_PRIORITIES),
  tag: tagName,
  attribute: attributeFilter,
}
const single = {
  channel_id: id.optional(),
  contact_id: id.optional(),
  post_id: id.optional(),
  assignee_id: z.union([nobody, z.literal('me'), id]).optional(),
  team_id: z.union([nobody, id]).optional(),
  sla: z.enum(['breached', 'at_risk', 'ok']).optional(),
  watching: z.literal('me').optional(),
  mentioned: z.literal('me').optional(),
  language: z.union([nobody, language]).optional(),
}

const many = <T extends z.ZodType>(item: T) => z.array(item).min(1).max(MAX_CHOICES).optional()
const sort = z.enum(CONVERSATION_SORTS)
const USUAL_SORT: ConversationSort = 'newest'

/** What can be read along with each conversation of a list. */
const CONVERSATION_INCLUDES = ['last_message', 'sla', 'tags', 'read', 'triage', 'post'] as const
export const includeQuery = z
  .string()
  .transform(text => text.split(','))
  .pipe(z.array(z.enum(CONVERSATION_INCLUDES)))
  .optional()
  .meta({ type: 'string', description: `Separated by commas: ${CONVERSATION_INCLUDES.join(', ')}` })

export const conversationQuery = pageQuery.extend({
  status: listOf(choices.status).optional(),
  inbox_id: listOf(choices.inbox_id).optional(),
  priority: listOf(choices.priority).optional(),
  tag: listOf(choices.tag).optional(),
  attribute: listOf(choices.attribute).optional(),
  ...single,
  waiting: z.enum(['true']).optional(),
  unread: z.enum(['true']).optional(),
  updated_after: instantIn.optional(),
  /** Those in which this was said, in the language of docs/search.md; by their newest match, or by relevance. */
  q: searchText.optional(),
  sort: z.enum([...CONVERSATION_SORTS, 'relevance']).default(USUAL_SORT),
  include: includeQuery,
})

/** The conversations on one post. */
export const postConversationQuery = conversationQuery.omit({ post_id: true, q: true }).extend({
  sort: sort.default(USUAL_SORT),
})

/** What a saved view lists; the same as the query of a list. */
export const conversationFilter = z
  .strictObject({
    status: many(choices.status),
    inbox_id: many(choices.inbox_id),
    priority: many(choices.priority),
    tag: many(choices.tag),
    attribute: many(choices.attribute),
    ...single,
    waiting: z.literal(true).optional(),
    unread: z.literal(true).optional(),
  })
  .meta({ id: 'ConversationFilter' })
export type ConversationFilterInput = z.output<typeof conversationFilter>

export const viewBody = z.strictObject({
  name,
  /** Who sees it: the one who saves it, a team, or everybody. */
  scope: z.enum(VIEW_SCOPES).default('personal'),
  team_id: id.optional(),
  filter: conversationFilter,
  sort: sort.default(USUAL_SORT),
})

export const viewPatch = z.strictObject({
  name: name.optional(),
  filter: conversationFilter.optional(),
  sort: sort.optional(),
})

/** `at_least`: there are more than these. */
const count = z.object({ count: z.int(), at_least: z.boolean() })

export const viewView = z
  .object({
    id,
    name: z.string(),
    scope: z.enum(VIEW_SCOPES),
    team_id: id.nullable(),
    filter: z.unknown(),
    sort,
    version: z.int(),
    created_at: instantOut,
    updated_at: instantOut,
    count: count.optional().meta({ description: 'How many conversations it lists; with include=count.' }),
  })
  .meta({ id: 'View' })

export const viewsQuery = pageQuery.extend({ include: z.literal('count').optional() })
export const viewPageQuery = pageQuery.extend({ include: includeQuery })
export const countView = count.meta({ id: 'Count' })
/** The filters of a list, without its pages. */
export const countQuery = conversationQuery.omit({ limit: true, cursor: true, sort: true, include: true, q: true })

const color = z.string().regex(/^#[0-9a-f]{6}$/, 'must be a colour such as #3b6ea8')

export const tagBody = z.strictObject({ name: tagName, color: color.nullable().default(null) })
export const tagPatch = z.strictObject({
  /** Another spelling of the same name. */
  name: tagName.optional(),
  color: color.nullable().optional(),
  archived: z.boolean().optional(),
})
export const tagView = z
  .object({
    id,
    name: z.string(),
    color: z.string().nullable(),
    archived_at: instantOut.nullable(),
    created_at: instantOut,
  })
  .meta({ id: 'Tag' })
export const conversationTagParams = z.strictObject({ id, tag: tagName })
export const conversationTags = z.object({
  data: z.array(z.object({ id, name: z.string(), color: z.string().nullable() })),
})
export const readBody = z.strictObject({
  /** The last message that was seen; everything so far when absent. */
  up_to: id.optional(),
})
