import { type IncomingMessage, request } from 'node:http'
import type { Test } from 'tap'
import type { Json } from './helper.ts'

export type Stream = {
  ids: () => string[]
  events: () => Json[]
  /** What is told without being in the log. */
  presence: () => Json[]
  /** Takes what it is told, where it began without. */
  resume: () => void
  response: IncomingMessage
  ended: Promise<void>
  close: () => void
}

/** Follows the log over a socket of its own, as a browser's EventSource does. */
export async function followStream(
  t: Test,
  options: { url: string; key: string; lastEventId?: string | undefined; paused?: boolean },
): Promise<Stream> {
  const { url, key, lastEventId, paused = false } = options
  const headers = { authorization: `Bearer ${key}`, ...(lastEventId ? { 'last-event-id': lastEventId } : {}) }
  const outgoing = request(`${url}/v1/events/stream`, { headers, agent: false })
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on('response', resolve).on('error', reject).end()
  })
  if (response.statusCode !== 200) throw new Error(`answered ${response.statusCode}`)
  const whole: string[] = []
  let rest = ''
  const resume = () => {
    response.setEncoding('utf8').on('data', chunk => {
      const parts = (rest + chunk).split('\n\n')
      rest = parts.pop()!
      whole.push(...parts)
    })
    response.resume()
  }
  if (paused) response.pause()
  else resume()
  const ended = new Promise<void>(resolve => response.once('close', () => resolve()))
  const close = () => outgoing.destroy()
  response.on('error', () => {})
  t.teardown(close)
  const framesOf = (start: string) => whole.filter(frame => frame.startsWith(start))
  const frames = () => framesOf('id: ')
  return {
    ids: () => frames().map(frame => /^id: (.*)$/m.exec(frame)![1]!),
    events: () => frames().map(frame => JSON.parse(/^data: (.*)$/m.exec(frame)![1]!)),
    presence: () => framesOf('event: presence\n').map(frame => JSON.parse(/^data: (.*)$/m.exec(frame)![1]!)),
    resume,
    response,
    ended,
    close,
  }
}
