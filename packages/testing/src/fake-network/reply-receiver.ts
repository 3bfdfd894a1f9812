import type { AnswerFault } from './misbehaviour.ts'
import type { Recorder } from './record.ts'

/** Where a shop takes replies: POST {its address}/replies/{channel}. A repeat is a second post. */
const PATH = /^\/replies\/([^/]+)$/

export const receiverOf = (pathname: string): string | undefined => PATH.exec(pathname)?.[1]

/** Publishes what was asked for, unless the fault comes before that: who is told to wait, or gets an error, was not heard. */
export function receiveReply(channel: string, input: unknown, fault: AnswerFault | null, record: Recorder): string {
  const { data } = input as { data: { message_id: string; text: string } }
  if (fault?.kind === 'status') return ''
  posts += 1
  const external_id = `post-${posts}`
  record({ kind: 'accepted', channel, uri: external_id, text: data.text })
  return JSON.stringify({ external_id })
}

let posts = 0
