import { connect } from 'node:net'
import type { Answer } from './helper.ts'

/** Writes bytes to the server and reads what it answers until it closes or has been silent for `quietMs`. */
export async function rawRequest(port: number, chunks: (string | Buffer)[], quietMs = 1_000): Promise<Answer[]> {
  const socket = connect(port, '127.0.0.1')
  let received = ''
  await new Promise<void>(resolve => {
    socket.setTimeout(quietMs, resolve)
    socket.on('data', chunk => {
      received += chunk
    })
    // The server may close while we are still writing.
    socket.on('error', () => {})
    socket.on('close', () => resolve())
    for (const chunk of chunks) socket.write(chunk)
  })
  socket.destroy()
  return readAnswers(received)
}

/** Answers with a Content-Length, one after the other. */
function readAnswers(text: string): Answer[] {
  const answers: Answer[] = []
  for (let rest = text; rest.startsWith('HTTP/1.1 '); ) {
    const end = rest.indexOf('\r\n\r\n')
    const [first, ...lines] = rest.slice(0, end).split('\r\n')
    const headers = Object.fromEntries(lines.map(line => line.split(/: (.*)/s).slice(0, 2)))
    const length = Number(headers['content-length'] ?? 0)
    const body = rest.slice(end + 4, end + 4 + length)
    const json = /json/.test(headers['content-type'] ?? '')
    answers.push({
      status: Number(first!.split(' ')[1]),
      headers,
      text: body,
      body: json ? JSON.parse(body) : undefined,
    })
    rest = rest.slice(end + 4 + length)
  }
  return answers
}
