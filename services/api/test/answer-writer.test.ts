import fc from 'fast-check'
import { serializerCompiler as zodSerializer } from 'fastify-type-provider-zod'
import t from 'tap'
import { z } from 'zod'
import { serializerCompiler } from '../src/answer-writer.ts'

/** A schema, and values that it mostly takes. */
type Kind = { schema: z.ZodType; values: fc.Arbitrary<unknown> }

const texts = fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 200 }), fc.constant('\ud800 half'))
const names = fc.string().filter(name => name !== '__proto__')
const wrong = fc.constantFrom<unknown>(null, undefined, '', 'no', 1.5, Number.NaN, {}, [], new Date(Number.NaN), true)

const leaves: Kind[] = [
  { schema: z.string(), values: texts },
  { schema: z.string().regex(/^[0-9a-f]{4}$/), values: fc.string({ unit: fc.constantFrom(...'0af'), maxLength: 5 }) },
  // Forms, lengths and conditions are not written in one go.
  { schema: z.string().max(3), values: fc.string({ maxLength: 5 }) },
  { schema: z.uuid(), values: fc.uuid() },
  { schema: z.string().refine(text => !text.includes('a')), values: fc.string() },
  { schema: z.int(), values: fc.oneof(fc.integer(), fc.constant(2 ** 60)) },
  { schema: z.int().min(0), values: fc.integer() },
  { schema: z.number(), values: fc.double() },
  { schema: z.boolean(), values: fc.boolean() },
  { schema: z.date(), values: fc.date({ noInvalidDate: false }) },
  { schema: z.date(), values: fc.date({ min: new Date('2026-11-27'), max: new Date('2026-11-30') }) },
  { schema: z.enum(['open', 'a "quoted" one']), values: fc.constantFrom('open', 'a "quoted" one', 'shut') },
  { schema: z.literal(['one', 2, null]), values: fc.constantFrom('one', 2, null, 'two') },
  { schema: z.unknown(), values: fc.jsonValue() },
  { schema: z.record(z.string(), z.int()), values: fc.dictionary(fc.string(), fc.integer()) },
  { schema: z.union([z.int(), z.string()]), values: fc.oneof(fc.integer(), fc.string()) },
  { schema: z.strictObject({ own: z.int() }), values: fc.record({ own: fc.integer(), other: fc.integer() }) },
  { schema: z.looseObject({ own: z.int() }), values: fc.record({ own: fc.integer(), other: fc.integer() }) },
]

const { kinds } = fc.letrec<{ kinds: Kind }>(tie => ({
  kinds: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    fc.constantFrom(...leaves),
    tie('kinds').map(({ schema, values }) => ({ schema: schema.nullable(), values: fc.option(values) })),
    tie('kinds').map(({ schema, values }) => ({
      schema: schema.optional(),
      values: fc.option(values, { nil: undefined }),
    })),
    tie('kinds').map(({ schema, values }) => ({ schema: z.array(schema), values: fc.array(values, { maxLength: 4 }) })),
    fc.dictionary(names, tie('kinds'), { maxKeys: 6 }).map(kinds => {
      const of = <T>(part: (kind: Kind) => T) => Object.fromEntries(Object.entries(kinds).map(([k, v]) => [k, part(v)]))
      // What the schema does not name must not get out.
      const more = { requiredKeys: [] as never[] }
      const values = fc.record({ ...of(kind => kind.values), secret: texts })
      return {
        schema: z.object(of(kind => kind.schema)),
        values: fc.oneof(
          values,
          fc.record(
            of(k => k.values),
            more,
          ),
        ),
      }
    }),
  ),
}))

const ANY = { unrepresentable: 'any' } as const

const attempt = (write: () => unknown) => {
  try {
    return { text: write() }
  } catch (error) {
    return { refused: (error as Error).name }
  }
}

t.test('an answer is written as zod writes it, or refused as zod refuses it', async t => {
  let [written, refused] = [0, 0]
  const property = fc.property(
    kinds.chain(({ schema, values }) =>
      fc.record({ schema: fc.constant(schema), value: fc.oneof({ weight: 9, arbitrary: values }, wrong) }),
    ),
    ({ schema, value }) => {
      const route = { schema, method: 'GET', url: '/' } as never
      const expected = attempt(() => zodSerializer(route)(value))
      const given = attempt(() => serializerCompiler(route)(value))
      if ('text' in expected) written += 1
      else refused += 1
      const [one, other] = [JSON.stringify(given), JSON.stringify(expected)]
      if (one !== other) throw new Error(`${one} and not ${other}, by ${JSON.stringify(z.toJSONSchema(schema, ANY))}`)
    },
  )
  fc.assert(property, { numRuns: 5_000 })
  t.ok(written > 500 && refused > 500, `${written} written, ${refused} refused`)
})

t.test('what is not as its schema says is refused with where it stands', async t => {
  const schema = z.object({ data: z.array(z.object({ at: z.date() })) })
  const write = serializerCompiler({ schema, method: 'GET', url: '/' } as never)
  t.equal(write({ data: [{ at: new Date(0), body: 'secret' }] }), '{"data":[{"at":"1970-01-01T00:00:00.000Z"}]}')
  const { cause } = t.throws(() => write({ data: [{ at: 'now' }] })) as { cause: z.ZodError }
  t.same(cause.issues[0]!.path, ['data', 0, 'at'])
})
