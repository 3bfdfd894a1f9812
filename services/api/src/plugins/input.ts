import fp from 'fastify-plugin'
import { z } from 'zod'

const MAX_DEPTH = 32
/** Node would drop what goes beyond its own limit in silence. */
const MAX_HEADERS = 100

class Refused extends Error {
  readonly statusCode: number
  readonly code: string | undefined
  constructor(statusCode: number, message: string, code?: string) {
    super(message)
    this.statusCode = statusCode
    this.code = code
  }
}
const malformed = (message: string) => new Refused(400, message, 'FST_ERR_MALFORMED_JSON')

const NO_QUERY = z.strictObject({})

/**
 * What may come in at all: JSON in UTF-8, not compressed, not nested deeper than 32. Everything else is refused
 * before a handler or a schema sees it.
 */
export const inputPlugin = fp(async app => {
  // Unknown query parameters are refused everywhere, so also where none is known.
  app.addHook('onRoute', route => {
    const access = route.config?.access
    if (access && access !== 'public') route.schema = { querystring: NO_QUERY, ...route.schema }
  })
  app.addHook('onRequest', async request => {
    if (request.raw.rawHeaders.length > 2 * MAX_HEADERS) throw new Refused(431, `Send at most ${MAX_HEADERS} headers.`)
    const encoding = request.headers['content-encoding']
    if (encoding && encoding !== 'identity') throw new Refused(415, 'Send the body uncompressed.')
  })
  app.removeAllContentTypeParsers()
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    // Clients that name a type with every request also do where there is no body to send.
    if (body.length === 0 && !request.routeOptions.schema?.body) return done(null, undefined)
    let text: string
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(body as Buffer)
    } catch {
      return done(malformed('The body is not UTF-8.'))
    }
    if (nestingOf(text) > MAX_DEPTH) return done(malformed(`The body is nested deeper than ${MAX_DEPTH}.`))
    parseJson(request, text, (error, parsed) => {
      if (error) return done(malformed('The body is not valid JSON.'))
      done(null, parsed)
    })
  })
})

/** An upper bound of the nesting, from the brackets outside strings: cheap, and nothing is parsed for it. */
function nestingOf(text: string): number {
  let depth = 0
  let deepest = 0
  let inString = false
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (inString) {
      if (code === 0x5c) index += 1
      else if (code === 0x22) inString = false
    } else if (code === 0x22) inString = true
    else if (code === 0x5b || code === 0x7b) deepest = Math.max(deepest, ++depth)
    else if (code === 0x5d || code === 0x7d) depth -= 1
  }
  return deepest
}
