import { type IncomingMessage, request } from 'node:http'

/** A reader of the stream of events: hands over the data of every event when it arrives. */
export async function followEvents(
  apiUrl: URL,
  apiKey: string,
  onEvent: (data: string) => void,
): Promise<{ close: () => void }> {
  const headers = { authorization: `Bearer ${apiKey}` }
  const outgoing = request(new URL('/v1/events/stream', apiUrl), { headers, agent: false })
  const response = await new Promise<IncomingMessage>((resolve, reject) =>
    outgoing.on('response', resolve).on('error', reject).end(),
  )
  if (response.statusCode !== 200) throw new Error(`a stream was answered with ${response.statusCode}`)
  let rest = ''
  response.on('error', () => {})
  response.setEncoding('utf8').on('data', (chunk: string) => {
    const frames = (rest + chunk).split('\n\n')
    rest = frames.pop()!
    for (const frame of frames) {
      if (!frame.startsWith('id: ')) continue
      onEvent(frame.slice(frame.indexOf('\ndata: ') + '\ndata: '.length))
    }
  })
  return { close: () => outgoing.destroy() }
}
