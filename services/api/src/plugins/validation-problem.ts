import { DomainError } from '@parley/domain'
import { domainProblem, type ProblemDraft } from './problem.ts'

/** What a schema found wrong, as fastify-type-provider-zod hands it on. */
export type SchemaIssue = {
  instancePath: string
  keyword: string
  message?: string
  params?: { keys?: string[]; errors?: UnionIssue[][] }
}
type UnionIssue = { code: string; path: PropertyKey[]; message: string; keys?: string[]; errors?: UnionIssue[][] }

/** A caller who gets everything wrong is told so much and no more. */
const MAX_ERRORS = 20
const MAX_TEXT = 200

type FieldError = { pointer: string; detail: string }

/** Where the refused value stood decides: a path names nothing, a query is malformed, a body fails validation. */
export function validationProblem(error: { validation: SchemaIssue[]; validationContext?: string }): ProblemDraft {
  const { validation, validationContext } = error
  // An id of another shape names nothing, like any id that is not there.
  if (validationContext === 'params') return domainProblem(new DomainError('not_found', 'There is no such resource.'))
  const errors = validation.slice(0, MAX_ERRORS).flatMap(describeIssue).slice(0, MAX_ERRORS)
  const unknownQuery = validationContext === 'querystring' && validation.some(i => i.keyword === 'unrecognized_keys')
  if (unknownQuery) return { code: 'invalid_request', status: 400, title: 'Invalid request', errors }
  return { code: 'validation_failed', status: 422, title: 'Validation failed', errors }
}

function describeIssue({ instancePath, keyword, message = 'is not valid', params = {} }: SchemaIssue): FieldError[] {
  const pointer = instancePath === '/' ? '' : instancePath
  return describe(pointer, keyword, message, params)
}

function describe(pointer: string, code: string, message: string, more: SchemaIssue['params'] = {}): FieldError[] {
  if (code === 'unrecognized_keys' && more.keys) {
    return more.keys.slice(0, MAX_ERRORS).map(key => fieldError(`${pointer}/${escaped(key)}`, 'is not known here'))
  }
  const branch = code === 'invalid_union' ? closest(more.errors ?? []) : undefined
  if (!branch) return [fieldError(pointer, message)]
  return branch.flatMap(issue =>
    describe([pointer, ...issue.path.map(key => escaped(String(key)))].join('/'), issue.code, issue.message, issue),
  )
}

/** Of several shapes that a value may have, the one that it misses by least: that is the one that was meant. */
function closest(branches: UnionIssue[][]): UnionIssue[] | undefined {
  const misses = (issues: UnionIssue[]) => issues.reduce((sum, { keys }) => sum + (keys?.length ?? 1), 0)
  return branches.reduce<UnionIssue[] | undefined>(
    (best, branch) => (best && misses(best) < misses(branch) ? best : branch),
    undefined,
  )
}

/** RFC 6901, 3. */
const escaped = (key: string) => key.replaceAll('~', '~0').replaceAll('/', '~1')

const shortened = (text: string) => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT).toWellFormed()}…` : text)

const fieldError = (pointer: string, detail: string) => ({ pointer: shortened(pointer), detail: shortened(detail) })
