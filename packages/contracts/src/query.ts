import { z } from 'zod'

/** A repeatable query parameter arrives as text or as a list of texts. */
export const listOf = <T extends z.ZodType>(item: T) =>
  z
    .union([z.array(item).min(1).max(20), item])
    .transform(value => (Array.isArray(value) ? value : [value]) as z.output<T>[])
