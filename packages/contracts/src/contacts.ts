import { MEMBER_TYPES } from '@parley/domain'
import { z } from 'zod'
import { attributeKey } from './attributes.ts'
import { id, instantOut, language, name, pageQuery, safeText } from './common.ts'

const MAX_ATTRIBUTES = 50
const MAX_NOTE_BYTES = 16 * 1024

const attributeValue = z.union([safeText(1024), z.number(), z.boolean()])

const attributes = z
  .record(attributeKey, attributeValue)
  .refine(given => Object.keys(given).length <= MAX_ATTRIBUTES, `must be at most ${MAX_ATTRIBUTES}`)

/** What a workspace keeps of a customer, flat: texts, numbers, and yes or no. */
export type ContactAttributes = z.output<typeof attributes>

export const contactBody = z.strictObject({
  name,
  language: language.nullable().default(null),
  do_not_contact: z.boolean().default(false),
  attributes: attributes.default({}),
})

export const contactPatch = z.strictObject({
  /** Null: what the networks call them. */
  name: name.nullable().optional(),
  language: language.nullable().optional(),
  do_not_contact: z.boolean().optional(),
  /** Those that are named change, null takes one away, the others stay. */
  attributes: z
    .record(attributeKey, attributeValue.nullable())
    .refine(given => Object.keys(given).length <= MAX_ATTRIBUTES, `must be at most ${MAX_ATTRIBUTES}`)
    .optional(),
})

export const contactQuery = pageQuery.extend({
  /** The beginning of a name, a handle or a mail address, in capitals or not. */
  q: safeText(200).optional(),
})

export const contactView = z
  .object({
    id,
    name: z.string(),
    name_given: z.boolean().meta({
      description: 'The team gave the name: what the networks call them does not replace it.',
    }),
    language: z.string().nullable().meta({ description: 'In which they want to be answered, as BCP 47.' }),
    do_not_contact: z.boolean().meta({ description: 'Replies to them are refused, but with `force`.' }),
    attributes: z.record(z.string(), z.unknown()),
    merged_into: id.nullable().meta({ description: 'Who this is, of those it was merged with; null: itself.' }),
    erased_at: instantOut.nullable(),
    version: z.int(),
    created_at: instantOut,
    updated_at: instantOut,
  })
  .meta({ id: 'Contact' })

/** An account of the contact on one network. `contact_id` is the contact that it came with. */
export const contactIdentityView = z
  .object({
    id,
    contact_id: id,
    network: z.string(),
    external_id: z.string(),
    handle: z.string().nullable(),
    display_name: z.string().nullable(),
    avatar_url: z.string().nullable(),
    created_at: instantOut,
    updated_at: instantOut.meta({ description: "The network's time of this description." }),
  })
  .meta({ id: 'ContactIdentity' })

export const contactNoteBody = z.strictObject({ body: safeText(MAX_NOTE_BYTES) })

export const contactNoteView = z
  .object({
    id,
    contact_id: id,
    body: z.string(),
    author_type: z.enum(MEMBER_TYPES),
    author_id: id,
    version: z.int(),
    created_at: instantOut,
    updated_at: instantOut,
  })
  .meta({ id: 'ContactNote' })

export const contactNoteParams = z.strictObject({ id, note_id: id })

export const mergeBody = z.strictObject({
  /** Who becomes one with the contact of the path. */
  from_id: id,
  /** Only tell what would happen. */
  dry_run: z.boolean().default(false),
})

export const mergeView = z
  .object({
    merge_id: id.nullable().meta({ description: 'What undoes it; null for a preview.' }),
    contact: contactView,
    /** What is found with the contact from then on. */
    moves: z.object({ contacts: z.int(), identities: z.int(), conversations: z.int(), notes: z.int() }),
    both_wait: z.int().meta({
      description: 'Conversations in which both wait for an answer: one answer ends both waits, each since it began.',
    }),
    conflicts: z
      .array(z.object({ field: z.string(), kept: z.unknown(), other: z.unknown() }))
      .meta({ description: 'What is known of both and differs; the other value is back when the merge is undone.' }),
  })
  .meta({ id: 'ContactMerge' })

export const unmergeBody = z.strictObject({ merge_id: id })

export const unmergeView = z
  .object({ merge_id: id, contact: contactView, restored: contactView })
  .meta({ id: 'ContactUnmerge' })

/** One merge of the history of a contact. */
export const contactLinkView = z
  .object({
    id,
    into_id: id,
    from_id: id,
    merged_at: instantOut,
    merged_by_type: z.enum(MEMBER_TYPES),
    merged_by_id: id,
    unmerged_at: instantOut.nullable(),
    unmerged_by_type: z.enum(MEMBER_TYPES).nullable(),
    unmerged_by_id: id.nullable(),
  })
  .meta({ id: 'ContactLink' })

/** The receipt of an erasure: what was erased and when, and nothing of whom. */
export const contactErasureView = z
  .object({
    id,
    contact_id: id,
    state: z.enum(['running', 'done']),
    step: z.string().meta({ description: 'What it is at, or was at last.' }),
    counts: z.record(z.string(), z.int()).meta({ description: 'How many of what were erased so far.' }),
    requested_at: instantOut,
    requested_by_type: z.enum(MEMBER_TYPES),
    requested_by_id: id,
    finished_at: instantOut.nullable(),
  })
  .meta({ id: 'ContactErasure' })

/** A file with everything that is kept of a contact. */
export const contactExportView = z
  .object({
    id,
    contact_id: id,
    state: z.enum(['running', 'done', 'failed', 'expired']),
    reason: z.string().nullable(),
    byte_size: z.number().nullable(),
    requested_at: instantOut,
    requested_by_type: z.enum(MEMBER_TYPES),
    requested_by_id: id,
    finished_at: instantOut.nullable(),
    expires_at: instantOut.nullable().meta({ description: 'Until then it can be downloaded.' }),
  })
  .meta({ id: 'ContactExport' })
