import type { IncomingMessage, ServerResponse } from 'node:http'
import { statusView, type View } from './entities.ts'
import type { Account, Status } from './model.ts'
import type { MastodonRecorder } from './record.ts'

const THUMP_MS = 10_000

/** Who follows their notifications as server-sent events. */
export class Streams {
  readonly #open = new Map<ServerResponse, Account>()
  readonly #record: MastodonRecorder

  constructor(record: MastodonRecorder) {
    this.#record = record
  }

  open(request: IncomingMessage, response: ServerResponse, account: Account): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.write(':)\n')
    const thumps = setInterval(() => response.write(':thump\n'), THUMP_MS)
    this.#open.set(response, account)
    this.#record({ kind: 'stream', account: account.acct, open: true })
    request.socket.once('close', () => {
      clearInterval(thumps)
      this.#open.delete(response)
      this.#record({ kind: 'stream', account: account.acct, open: false })
    })
  }

  tell(view: View, to: Account, event: string, status: Status): void {
    const payload = JSON.stringify(
      event === 'notification' ? { type: 'mention', status: statusView(view, status) } : {},
    )
    for (const [response, account] of this.#open)
      if (account === to) response.write(`event: ${event}\ndata: ${payload}\n\n`)
  }

  count(): number {
    return this.#open.size
  }

  cut(): void {
    for (const response of this.#open.keys()) response.socket?.resetAndDestroy()
  }
}
