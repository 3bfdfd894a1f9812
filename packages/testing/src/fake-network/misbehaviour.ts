import type { ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

/** What goes wrong with the whole answer of a call. */
export type AnswerFault =
  /** `detail` is what it says in words. */
  | { kind: 'status'; status: number; retry_after?: string; detail?: string }
  | { kind: 'html' }
  | { kind: 'no-content' }
  /** Half of the JSON under a correct length, then the connection ends. */
  | { kind: 'truncated' }
  /** Well-formed HTTP whose JSON stops in the middle. */
  | { kind: 'half-json' }
  | { kind: 'slow'; ms: number }
  /** A byte now and then, without an end. */
  | { kind: 'drip' }
  | { kind: 'reset' }
  | { kind: 'silence' }
  /** The call takes effect, and its answer is lost. */
  | { kind: 'answer-lost' }

/** What is wrong with the content of a page of notifications. */
export type PageFault =
  | { kind: 'same-page' }
  | { kind: 'overlap'; items: number }
  | { kind: 'empty-page' }
  | { kind: 'shuffled'; seed: number }
  /** The cursor that was given out is refused, as the AppView does: 502. */
  | { kind: 'cursor-refused' }
  /** Access and refresh tokens are void, and the password too. */
  | { kind: 'revoked' }

export type Fault = AnswerFault | PageFault

export type Misbehaviour = {
  fault: Fault
  /** Of which call; notifications by default. */
  nsid?: string
  /** How many calls; without end by default. */
  times?: number
  /** How many calls go well before. */
  after?: number
}

const PAGE_FAULTS = ['same-page', 'overlap', 'empty-page', 'shuffled', 'cursor-refused', 'revoked'] as const

export function isPageFault(fault: Fault | null): fault is PageFault {
  return fault !== null && PAGE_FAULTS.some(kind => kind === fault.kind)
}

/** Answers badly. `json` is what a good answer would have held. Resolves when nothing more is done. */
export async function answerBadly(fault: AnswerFault, response: ServerResponse, json: string): Promise<void> {
  const { socket } = response
  switch (fault.kind) {
    case 'status': {
      const headers = fault.retry_after === undefined ? {} : { 'retry-after': fault.retry_after }
      const error = fault.status === 429 ? 'RateLimitExceeded' : 'InternalServerError'
      response.writeHead(fault.status, { 'content-type': 'application/json', ...headers })
      const { detail = 'made up by the test' } = fault
      return void response.end(JSON.stringify({ error, message: detail, detail }))
    }
    case 'html':
      response.writeHead(200, { 'content-type': 'text/html' })
      return void response.end('<!doctype html><title>Just a moment…</title>')
    case 'no-content':
      return void response.writeHead(204).end()
    case 'truncated':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(json) })
      response.write(json.slice(0, json.length / 2), () => socket?.destroy())
      return
    case 'half-json':
      response.writeHead(200, { 'content-type': 'application/json' })
      return void response.end(json.slice(0, json.length / 2))
    case 'slow':
      await delay(fault.ms)
      response.writeHead(200, { 'content-type': 'application/json' })
      return void response.end(json)
    case 'drip':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(json) })
      for (let at = 0; at < json.length && !response.destroyed; at += 1) {
        response.write(json[at]!)
        await delay(500)
      }
      return
    case 'reset':
    case 'answer-lost':
      return void socket?.resetAndDestroy()
    case 'silence':
      return
    default:
      fault satisfies never
  }
}
