import { createServer, type IncomingMessage } from 'node:http'
import type { Test } from 'tap'

export type Received = { headers: IncomingMessage['headers']; rawBody: Buffer; body: unknown }
export type Answer = { status: number; body?: unknown; headers?: Record<string, string> } | 'hang' | 'cut'

/** The network behind a generic channel: keeps what it was sent, answers as the test says, in a real HTTP server. */
export async function startReceiver(t: Test, answer: (received: Received) => Answer) {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const rawBody = Buffer.concat(chunks)
    const one = { headers: request.headers, rawBody, body: JSON.parse(rawBody.toString()) as unknown }
    received.push(one)
    const given = answer(one)
    if (given === 'hang') return
    if (given === 'cut') return void request.socket.destroy()
    response.writeHead(given.status, { 'content-type': 'application/json', ...given.headers })
    response.end(JSON.stringify(given.body ?? {}))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as { port: number }
  return { url: `http://127.0.0.1:${port}/replies`, received }
}
