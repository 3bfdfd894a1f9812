import { composed, DomainError, REPLY_VARIABLES, type ReplyValues, type ReplyVariable } from '@parley/domain'
import { AssertionError, Liquid, LiquidError, Output, type Template, toValueSync } from 'liquidjs'

const TAGS = ['if', 'unless', 'case', 'comment', '#', 'raw']
// None of them can make a text much longer than it was, or cut one inside a character.
const FILTERS = ['default', 'capitalize', 'upcase', 'downcase', 'strip']
const MAX_TEMPLATE_CHARACTERS = 16 * 1024
const MAX_OUTPUT_BYTES = 64 * 1024
const MAX_NESTING = 20
/** Variables, conditions and the stretches of text between them. */
const MAX_NODES = 500
const MAX_NAMED = 20

/** Liquid without loops, files, and anything that is not in the lists above: rendering takes the time of reading. */
const liquid = new Liquid({
  ownPropertyOnly: true,
  strictFilters: true,
  // Nothing is looked up in a file system.
  templates: {},
  parseLimit: MAX_TEMPLATE_CHARACTERS,
  memoryLimit: 1_000_000,
  renderLimit: 1_000,
})
for (const name of Object.keys(liquid.tags)) if (!TAGS.includes(name)) delete liquid.tags[name]
for (const name of Object.keys(liquid.filters)) if (!FILTERS.includes(name)) delete liquid.filters[name]

const NAMES = Object.keys(REPLY_VARIABLES) as ReplyVariable[]
const KNOWN = new Set<string>(NAMES)
const SOME_VALUES = Object.fromEntries(NAMES.map(name => [name, 'x'])) as ReplyValues

/** @throws DomainError `validation_failed` for what is no template, or asks for a variable that does not exist */
export function checkTemplate(body: string): void {
  const template = parse(body)
  const unknown = variablesOf(template).filter(name => !KNOWN.has(name))
  if (unknown.length > 0) throw unknownVariables(unknown.slice(0, MAX_NAMED).map(shortened))
  for (const scope of [{}, scopeOf(SOME_VALUES)]) {
    refusing(() => liquid.renderSync(template, scope))
  }
}

/**
 * The text for one conversation. `missing` names what should stand in it and does not: nothing is written there, and a
 * person should fill it in. Values are never read as templates.
 * @throws DomainError `validation_failed` when the text would be longer than a reply may be
 */
export function renderTemplate(body: string, values: ReplyValues): { body: string; missing: ReplyVariable[] } {
  const template = parse(body)
  const missing = new Set<ReplyVariable>()
  for (const node of nodesOf(template)) {
    if (!(node instanceof Output)) continue
    const names = variablesOf([node]) as ReplyVariable[]
    const absent = names.filter(name => values[name] === undefined)
    // Whose fallback is written out in the template has one, even if that is nothing.
    const hasFallback = names.length === 1 && node.value.filters.some(({ name }) => name === 'default')
    if (absent.length === 0 || hasFallback) continue
    whenEmpty(node, () => {
      for (const name of absent) missing.add(name)
    })
  }
  const text = composed(String(refusing(() => liquid.renderSync(template, scopeOf(values)))))
  if (Buffer.byteLength(text) > MAX_OUTPUT_BYTES) {
    throw new DomainError('validation_failed', `With its values the text has more than ${MAX_OUTPUT_BYTES} bytes.`)
  }
  return { body: text, missing: NAMES.filter(name => missing.has(name)) }
}

function parse(body: string): Template[] {
  const template = refusing(() => liquid.parse(body))
  if (depthOf(template) > MAX_NESTING) throw refused(`conditions stand in each other more than ${MAX_NESTING} deep`)
  if ([...nodesOf(template)].length > MAX_NODES) throw refused(`it has more than ${MAX_NODES} parts`)
  return template
}

/** Gives what Liquid complains of to the author of the template. */
function refusing<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof LiquidError || error instanceof AssertionError) throw refused(shortened(error.message))
    throw error
  }
}

const refused = (reason: string) =>
  new DomainError('validation_failed', `The text is no template: ${reason}`, {
    errors: [{ pointer: '/body', detail: `is no template: ${reason}` }],
  })

const unknownVariables = (names: string[]) =>
  new DomainError('validation_failed', `There is no variable ${names.join(', ')}.`, {
    errors: names.map(name => ({ pointer: '/body', detail: `There is no variable ${name}.` })),
    unknown_variables: names,
    variables: NAMES,
  })

/** Runs `then` each time that this part of a template writes nothing. */
function whenEmpty(output: Output, then: () => void): void {
  output.render = function* (context, emitter) {
    const value = yield this.value.value(context, false)
    emitter.write(value)
    if (value === undefined || value === null || value === '') then()
  }
}

const childrenOf = (node: Template): Template[] =>
  node.children ? (toValueSync(node.children(false, true)) as Template[]) : []

function* nodesOf(template: Template[]): Generator<Template> {
  for (const node of template) {
    yield node
    yield* nodesOf(childrenOf(node))
  }
}

const depthOf = (template: Template[]): number =>
  template.reduce((deepest, node) => {
    const children = childrenOf(node)
    return children.length === 0 ? deepest : Math.max(deepest, 1 + depthOf(children))
  }, 0)

/** As paths; one that is computed, or has a dot in a name, is not written like any that exists. */
function variablesOf(template: Template[]): string[] {
  const paths = liquid.globalVariableSegmentsSync(template, { partials: false })
  return paths.map(segments =>
    segments.every(segment => typeof segment === 'string' && !segment.includes('.'))
      ? segments.join('.')
      : JSON.stringify(segments),
  )
}

function scopeOf(values: ReplyValues): Record<string, Record<string, string>> {
  const scope: Record<string, Record<string, string>> = {}
  for (const [path, value] of Object.entries(values)) {
    const [group, name] = path.split('.') as [string, string]
    scope[group] ??= {}
    if (value !== undefined) scope[group][name] = value
  }
  return scope
}

const MAX_SHOWN = 150
const shortened = (text: string) => (text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN).toWellFormed()}…` : text)
