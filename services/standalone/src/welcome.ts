import { randomBytes } from 'node:crypto'
import type { Rest } from './rest.ts'

export type TrialChannel = { id: string; bearer_secret: string }

/** A channel to try things with: whoever knows its secret posts to it, and its replies wait in the outbox. */
export async function createTrialChannel(rest: Rest, inbox_id: string): Promise<TrialChannel> {
  const bearer_secret = randomBytes(24).toString('base64url')
  const body = { kind: 'generic', name: 'Try it', inbox_id, credentials: { bearer_secret } }
  const { id } = await rest<{ id: string }>('POST', '/v1/channels', body)
  return { id, bearer_secret }
}

/** The main job in three commands, ready to be pasted. */
export function firstSteps(url: string, key: string, channel: TrialChannel, now: Date): string {
  const comment = {
    type: 'message.received',
    data: {
      external_id: 'comment-1',
      kind: 'comment',
      author: { platform_id: 'ana', name: 'Ana Silva' },
      text: 'Where is my order?',
      created_at: now.toISOString(),
    },
  }
  const json = `-H 'content-type: application/json'`
  const auth = `-H 'authorization: Bearer ${key}'`
  const first = `$(curl -s ${url}/v1/conversations ${auth} | node -pe 'JSON.parse(require("fs").readFileSync(0)).data[0].id')`
  return `
  Admin key, shown only now:  ${key}

  1. A customer comments:
     curl -X POST ${url}/hooks/${channel.id} -H 'authorization: Bearer ${channel.bearer_secret}' ${json} -d '${JSON.stringify(comment)}'

  2. You see it:
     curl ${url}/v1/conversations ${auth}

  3. You answer:
     curl -X POST "${url}/v1/conversations/${first}/replies" ${auth} ${json} -H 'idempotency-key: first-reply' -d '{"body":"It arrives today, Ana."}'

  The reply waits for its network at ${url}/v1/channels/${channel.id}/outbox
`
}
