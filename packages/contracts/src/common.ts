import { composed } from '@parley/domain'
import { z } from 'zod'

/** UUIDs are compared and stored in lower case; any version is let through to the look-up, which then finds nothing. */
export const id = z
  .string()
  .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'must be a UUID in lower case')
  .meta({ format: 'uuid' })

export const idParams = z.strictObject({ id })

/** An instant on its way in: RFC 3339 with an offset, between the years 1970 and 9999. */
export const instantIn = z.iso
  // Aborting: a check of the whole object would otherwise be run on what is no date.
  .datetime({ offset: true, abort: true })
  .transform(text => new Date(text))
  .refine(date => date.getTime() >= 0 && date.getUTCFullYear() <= 9999, 'must lie between 1970 and 9999')

/** An instant on its way out: rows hold a Date, clients read RFC 3339 in UTC. */
export const instantOut = z.date()

// A character that a reader can see: not white space, not a control or format character, not a filler.
const VISIBLE = /[^\s\p{C}\u115f\u1160\u3164\uffa0\u2800]/u

// NFC, no NUL, no lone surrogates.
const storableText = z
  .string()
  .refine(text => !text.includes('\u0000'), 'must not contain NUL')
  .refine(text => text.isWellFormed(), 'must not contain a lone surrogate')
  .transform(composed)

const atMost = (maxBytes: number) => (text: string) => Buffer.byteLength(text) <= maxBytes
const tooLong = (maxBytes: number) => `must be at most ${maxBytes} bytes of UTF-8`

/**
 * Text that people wrote: NFC, no NUL, no lone surrogates, at least one visible character, at most `maxBytes` of UTF-8.
 */
export function safeText(maxBytes: number) {
  return storableText
    .refine(text => VISIBLE.test(text), 'must contain a visible character')
    .refine(atMost(maxBytes), tooLong(maxBytes))
    .meta({ type: 'string', minLength: 1 })
}

/** Like safeText, for what may be left empty: a text that nobody can see is the empty one. */
export function unfinishedText(maxBytes: number) {
  return storableText
    .refine(atMost(maxBytes), tooLong(maxBytes))
    .transform(text => (VISIBLE.test(text) ? text : ''))
    .meta({ type: 'string' })
}

export const name = safeText(200)

export const email = z.email().max(254)
/** BCP 47, in its canonical spelling. */
export const language = z
  .string()
  .max(35)
  .regex(/^[a-zA-Z]{2,3}(-[a-zA-Z0-9]{1,8})*$/, 'must be a language tag such as pt-BR')
  .transform((tag, context) => {
    try {
      return Intl.getCanonicalLocales(tag)[0]!
    } catch {
      context.addIssue('must be a language tag such as pt-BR')
      return z.NEVER
    }
  })
  .meta({ type: 'string' })

/** A network's id as an integration tells it: kept to the letter, so only what Postgres would change is refused. */
export const externalId = z
  .string()
  .min(1)
  .max(255)
  .refine(text => !text.includes('\u0000') && text.isWellFormed(), 'must not contain NUL or a lone surrogate')

/** Query strings carry text: a whole number is digits and nothing else. */
export const limit = z
  .string()
  .regex(/^[1-9]\d{0,2}$/, 'must be a whole number from 1 to 100')
  .transform(Number)
  .refine(value => value <= 100, 'must be a whole number from 1 to 100')
  .default(50)
  .meta({ type: 'integer', minimum: 1, maximum: 100, default: 50 })

/** Of any length and kind: what we did not write ourselves is refused when it is read. */
export const cursor = z.string()

export const pageQuery = z.strictObject({ limit, cursor: cursor.optional() })

/** A list answer. `next_cursor` is null on the last page. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({ data: z.array(item), next_cursor: z.string().nullable() })
}
