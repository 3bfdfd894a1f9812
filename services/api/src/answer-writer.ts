import { serializerCompiler as zodSerializer } from 'fastify-type-provider-zod'
import { type $ZodCheck, type $ZodType, type $ZodTypes, safeEncode } from 'zod/v4/core'

/**
 * Writes a value as JSON; `undefined` is left out by the object it belongs to.
 * @throws Unwritten for what its schema does not describe
 */
type Write = (value: unknown) => string | undefined

/** Says nothing of why: zod does. */
const UNWRITTEN = new Error('not as its schema says')
const refuse = (): never => {
  throw UNWRITTEN
}

/**
 * Writes answers by their schemas: what a schema does not name stays out, what is not as it says is an error. zod alone
 * takes two to five times as long for a page of a list, most of it for copies and for dates; here objects, lists, texts,
 * numbers and dates are written in one go. Whatever says more than its type is zod's business, and so is every refusal.
 */
export const serializerCompiler: typeof zodSerializer = route => {
  const byZod = zodSerializer(route)
  if (!('_zod' in route.schema)) return byZod
  const write = writerOf(route.schema as $ZodType)
  return value => {
    try {
      return write(value) ?? byZod(value)
    } catch (error) {
      if (error !== UNWRITTEN) throw error
      return byZod(value)
    }
  }
}

function writerOf(schema: $ZodType): Write {
  const { def, values } = (schema as $ZodTypes)._zod
  if (def.type === 'enum' || def.type === 'literal') return constantWriter([...(values ?? [])])
  return plainWriter(def) ?? zodWriter(schema)
}

/** Undefined for a schema that has more to say than of which type something is. */
function plainWriter(def: $ZodTypes['_zod']['def']): Write | undefined {
  if ('coerce' in def && def.coerce) return undefined
  if (def.type === 'string') return 'format' in def ? undefined : textWriter(def.checks ?? [])
  if (def.checks?.length) return undefined
  switch (def.type) {
    case 'object':
      return def.catchall ? undefined : objectWriter(def.shape)
    case 'array':
      return arrayWriter(writerOf(def.element))
    case 'nullable': {
      const write = writerOf(def.innerType)
      return value => (value === null ? 'null' : write(value))
    }
    case 'optional': {
      const write = writerOf(def.innerType)
      return value => (value === undefined ? undefined : write(value))
    }
    case 'number':
      return numberWriter('format' in def ? String(def.format) : 'any')
    case 'boolean':
      return value => (typeof value === 'boolean' ? String(value) : refuse())
    case 'date':
      return value => (value instanceof Date ? dateText(value) : refuse())
    case 'unknown':
      return value => JSON.stringify(value)
    default:
      return undefined
  }
}

function zodWriter(schema: $ZodType): Write {
  return value => {
    const { success, data } = safeEncode(schema, value)
    return success ? JSON.stringify(data) : refuse()
  }
}

function objectWriter(shape: Record<string, $ZodType>): Write {
  const parts = Object.entries(shape).map(([key, schema]) => {
    const write = writerOf(schema)
    const optional = (schema as $ZodTypes)._zod.def.type === 'optional'
    return { key, name: `${JSON.stringify(key)}:`, write: optional ? write : present(write) }
  })
  return value => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse()
    let text = ''
    for (const { key, name, write } of parts) {
      const part = write((value as Record<string, unknown>)[key])
      if (part !== undefined) text += text === '' ? name + part : `,${name}${part}`
    }
    return `{${text}}`
  }
}

/** Whether what is missing may be, zod knows. */
const present =
  (write: Write): Write =>
  value =>
    value === undefined ? refuse() : write(value)

function arrayWriter(write: Write): Write {
  return value => {
    if (!Array.isArray(value)) return refuse()
    let text = ''
    for (const each of value) text += text === '' ? (write(each) ?? 'null') : `,${write(each) ?? 'null'}`
    return `[${text}]`
  }
}

/** Texts of a form are tested for it. */
function textWriter(checks: readonly $ZodCheck<never>[]): Write | undefined {
  const patterns: RegExp[] = []
  for (const { _zod } of checks) {
    const { check, pattern } = _zod.def as { check: string; pattern?: unknown }
    // One that remembers where it was would not be the same for the next text.
    if (check !== 'string_format' || !(pattern instanceof RegExp) || pattern.global || pattern.sticky) return undefined
    patterns.push(pattern)
  }
  return value =>
    typeof value === 'string' && patterns.every(pattern => pattern.test(value)) ? quoted(value) : refuse()
}

// Everything that JSON writes in another way, and halves of surrogate pairs.
const SPECIAL = /["\\\p{Cc}\p{Cs}]/u

/** Most texts are short and written as they stand. */
function quoted(text: string): string {
  return text.length > 100 || SPECIAL.test(text) ? JSON.stringify(text) : `"${text}"`
}

function numberWriter(format: string): Write | undefined {
  if (format === 'safeint') return value => (Number.isSafeInteger(value) ? String(value) : refuse())
  return format === 'any' ? value => (Number.isFinite(value) ? String(value) : refuse()) : undefined
}

function constantWriter(values: readonly unknown[]): Write {
  const texts = new Map(values.map(value => [value, JSON.stringify(value)]))
  return value => texts.get(value) ?? refuse()
}

const DAY_MS = 86_400_000
const YEAR_10000_MS = Date.UTC(10_000, 0)
let dayWritten = Number.NaN
let dayText = ''

/** As toISOString writes it. Of a list most instants are of few days, and the day is what takes long. */
function dateText(date: Date): string {
  const time = date.getTime()
  if (!(time >= 0 && time < YEAR_10000_MS)) return Number.isNaN(time) ? refuse() : JSON.stringify(date)
  const day = Math.floor(time / DAY_MS)
  if (day !== dayWritten) {
    dayText = date.toISOString().slice(0, 'yyyy-mm-ddT'.length)
    dayWritten = day
  }
  const ms = time - day * DAY_MS
  const seconds = Math.floor(ms / 1000)
  const minutes = Math.floor(seconds / 60)
  return `"${dayText}${TWO[Math.floor(minutes / 60)]}:${TWO[minutes % 60]}:${TWO[seconds % 60]}.${THREE[ms % 1000]}Z"`
}

const TWO = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'))
const THREE = Array.from({ length: 1000 }, (_, number) => String(number).padStart(3, '0'))
