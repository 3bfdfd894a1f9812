import { ATTRIBUTE_SUBJECTS, ATTRIBUTE_TYPES } from '@parley/domain'
import { z } from 'zod'
import { id, instantOut, name, safeText } from './common.ts'

const MAX_OPTIONS = 100
const MAX_CHANGED = 100
const MAX_VALUE_BYTES = 4_000

export const attributeKey = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be up to 64 letters, digits and _, the first one a letter')

const options = z
  .array(safeText(200))
  .min(1)
  .max(MAX_OPTIONS)
  .refine(given => new Set(given).size === given.length, 'must not name one twice')

export const attributeBody = z
  .strictObject({
    /** What it is called in calls; never changes. */
    key: attributeKey,
    label: name,
    applies_to: z.enum(ATTRIBUTE_SUBJECTS),
    type: z.enum(ATTRIBUTE_TYPES),
    /** Of a select: what it may be set to. */
    options: options.optional(),
  })
  .refine(({ type, options }) => (type === 'select') === (options !== undefined), {
    message: 'go with type select, and that with them',
    path: ['options'],
  })

export const attributePatch = z.strictObject({
  label: name.optional(),
  /** What had an option that is not among them keeps it. */
  options: options.optional(),
  archived: z.boolean().optional(),
})

export const attributeView = z
  .object({
    id,
    key: z.string(),
    label: z.string(),
    applies_to: z.enum(ATTRIBUTE_SUBJECTS),
    type: z.enum(ATTRIBUTE_TYPES),
    options: z.array(z.string()).nullable(),
    archived_at: instantOut.nullable(),
    version: z.int(),
    created_at: instantOut,
    updated_at: instantOut,
  })
  .meta({ id: 'Attribute' })

export const attributeValue = z.union([safeText(MAX_VALUE_BYTES), z.number(), z.boolean()])

/** Those that are named change, null takes one away, the others stay. */
export const attributeChanges = z
  .record(attributeKey, attributeValue.nullable())
  .refine(given => Object.keys(given).length <= MAX_CHANGED, `must be at most ${MAX_CHANGED}`)

/** One of a conversation as a filter writes it: `tier:gold`. */
export const attributeFilter = safeText(MAX_VALUE_BYTES + 65).refine(
  text => /^[a-z][a-z0-9_]{0,63}:./s.test(text),
  'must be a key and a value, such as tier:gold',
)
