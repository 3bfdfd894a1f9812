import type { Socket } from 'node:net'
import type { FastifyError } from 'fastify'
import { v4 } from 'uuid'
import { frameworkProblem } from './errors.ts'
import { problemBody } from './problem.ts'
import { SECURITY_HEADERS } from './security-headers.ts'

/** A longer one is the reason when a request is too large to be read. */
const MAX_REQUEST_LINE = 8 * 1024

type ClientError = Error & { code?: string; rawPacket?: unknown }

/** Answers what Node could not read as a request: no route, hook or logger has seen it. */
export function answerClientError(error: ClientError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const draft = frameworkProblem({ statusCode: statusOf(error) } as FastifyError)!
  const body = JSON.stringify(problemBody(draft, v4()))
  const headers = {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
    ...SECURITY_HEADERS,
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${draft.status} ${draft.title}\r\n${lines.join('')}\r\n${body}`)
}

function statusOf({ code, rawPacket }: ClientError): number {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 408
  if (code !== 'HPE_HEADER_OVERFLOW') return 400
  // The limit is one for the request line and all headers together.
  const firstLine = Buffer.isBuffer(rawPacket) ? rawPacket.toString('latin1').split('\r\n', 1)[0]! : ''
  return /^[A-Z]+ \//.test(firstLine) && firstLine.length > MAX_REQUEST_LINE ? 414 : 431
}
