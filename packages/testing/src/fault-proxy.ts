import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'

/** `up` goes to the server behind the proxy, `down` comes from it. */
export type Direction = 'up' | 'down'

export type Mode =
  | { kind: 'pass' }
  /** Whoever connects is reset. Open connections go on. */
  | { kind: 'refuse' }
  /** Takes connections and passes nothing on, in open ones either; what stood still arrives when it passes again. */
  | { kind: 'hang' }
  | { kind: 'delay'; ms: number }
  /** Each connection breaks once that many bytes have gone that way. */
  | { kind: 'cut-after'; direction: Direction; bytes: number }

export type Trap = {
  direction: Direction
  /** Its bytes and all that follow are not passed on. */
  pattern: string
  /** Only on connections that sent this up before, or with it. */
  armedBy?: string
  /** The connection breaks, or stands still until `release`; held, it keeps what is written and that its writer ends. */
  effect: 'cut' | 'hang' | 'hold'
}

type Flow = {
  from: Socket
  to: Socket
  tail: string
  bytes: number
  queue: Promise<void>
  waiting: number
  /** What a trap keeps back. */
  held: Buffer
}
type Pair = { flows: Record<Direction, Flow>; armed: Set<SetTrap>; stopped: boolean; held: boolean }
type SetTrap = Trap & { sprung: (caught: Caught) => void }

/** A connection that stands still in a trap. */
export type Caught = {
  /** What is held arrives, but not that its writer has gone: as from a machine whose power failed. */
  deliver: () => void
  cut: () => void
}

/** A TCP proxy on loopback whose connections can be broken in every way a network breaks them. */
export class FaultProxy {
  /** Where new connections lead; may change, as when the process behind is replaced by another. */
  target: { host: string; port: number }
  /** How many connections were made since the start. */
  accepted = 0
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  readonly #traps = new Set<SetTrap>()
  #mode: Mode = { kind: 'pass' }

  private constructor(target: { host: string; port: number }) {
    this.target = target
    this.#server = createServer(client => this.#accept(client))
  }

  /** Stands before the server of `url`, which may be any with a host and a port. */
  static async start(t: Test, url: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(addressOf(url))
    await new Promise<void>(resolve => proxy.#server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      proxy.cutAll()
      proxy.#server.close()
    })
    return proxy
  }

  /** The same URL by way of this proxy. */
  through(url: string): string {
    const { port } = this.#server.address() as { port: number }
    const { hostname, port: old } = new URL(url)
    return url.replace(`${hostname}:${old}`, `127.0.0.1:${port}`)
  }

  lead(url: string): void {
    this.target = addressOf(url)
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#pairs.size
  }

  set(mode: Mode): void {
    this.#mode = mode
    for (const pair of this.#pairs) {
      if (pair.stopped) continue
      for (const { from } of Object.values(pair.flows)) mode.kind === 'hang' ? from.pause() : from.resume()
    }
  }

  cutAll(): void {
    for (const pair of this.#pairs) this.#cut(pair)
  }

  /** Springs at the first match, once; resolves then. */
  trap(trap: Trap): Promise<Caught> {
    return new Promise(sprung => this.#traps.add({ ...trap, sprung }))
  }

  /** Lets the connections go on that traps have stopped, with what was kept back. */
  release(): void {
    for (const pair of this.#pairs) if (pair.stopped) this.#deliver(pair)
  }

  #accept(client: Socket): void {
    this.accepted += 1
    if (this.#mode.kind === 'refuse') return void client.resetAndDestroy()
    const server = connect(this.target)
    const flow = (from: Socket, to: Socket): Flow => ({
      from,
      to,
      tail: '',
      bytes: 0,
      queue: Promise.resolve(),
      waiting: 0,
      held: Buffer.alloc(0),
    })
    const pair: Pair = {
      flows: { up: flow(client, server), down: flow(server, client) },
      armed: new Set(),
      stopped: false,
      held: false,
    }
    this.#pairs.add(pair)
    for (const direction of ['up', 'down'] as const) {
      const one = pair.flows[direction]
      one.from.setNoDelay(true)
      one.from.on('data', chunk => this.#pass(pair, direction, chunk))
      const told = () => !(pair.held && direction === 'up')
      one.from.on('end', () => void one.queue.then(() => told() && one.to.end()))
      one.from.on('error', () => told() && this.#cut(pair))
      one.from.on('close', () => void one.queue.then(() => told() && this.#pairs.delete(pair) && one.to.destroySoon()))
      if (this.#mode.kind === 'hang') one.from.pause()
    }
  }

  #pass(pair: Pair, direction: Direction, chunk: Buffer): void {
    const flow = pair.flows[direction]
    if (pair.stopped) return
    const rest = this.#spring(pair, direction, chunk)
    const mode = this.#mode
    if (mode.kind === 'cut-after' && mode.direction === direction) {
      flow.bytes += rest.length
      if (flow.bytes > mode.bytes) {
        flow.to.write(rest.subarray(0, Math.max(0, rest.length - (flow.bytes - mode.bytes))))
        this.#cut(pair)
        return
      }
    }
    if (mode.kind !== 'delay' && flow.waiting === 0) {
      this.#write(flow, rest)
      return
    }
    flow.waiting += 1
    const late = delay(mode.kind === 'delay' ? mode.ms : 0)
    flow.queue = flow.queue.then(async () => {
      await late
      flow.waiting -= 1
      this.#write(flow, rest)
    })
  }

  #write({ from, to }: Flow, bytes: Buffer): void {
    if (to.destroyed || bytes.length === 0 || to.write(bytes) || this.#mode.kind === 'hang') return
    from.pause()
    to.once('drain', () => this.#mode.kind !== 'hang' && from.resume())
  }

  /** What may pass of the chunk: all of it, unless a trap springs in it. A pattern may begin in the chunk before. */
  #spring(pair: Pair, direction: Direction, chunk: Buffer): Buffer {
    const flow = pair.flows[direction]
    const text = flow.tail + chunk.toString('latin1')
    const before = flow.tail.length
    for (const trap of this.#traps) {
      if (direction === 'up' && trap.armedBy && text.includes(trap.armedBy)) pair.armed.add(trap)
      if (trap.direction !== direction || (trap.armedBy && !pair.armed.has(trap))) continue
      // It ends in this chunk: what passed whole before the trap was armed is over.
      const found = text.indexOf(trap.pattern, Math.max(0, before - trap.pattern.length + 1))
      if (found === -1) continue
      this.#traps.delete(trap)
      const at = Math.max(0, found - before)
      flow.to.write(chunk.subarray(0, at))
      flow.held = chunk.subarray(at)
      flow.tail = text.slice(-256)
      if (trap.effect === 'cut') this.#cut(pair)
      else this.#stop(pair)
      pair.held = trap.effect === 'hold'
      trap.sprung({ deliver: () => this.#deliver(pair), cut: () => this.#cut(pair) })
      return Buffer.alloc(0)
    }
    flow.tail = text.slice(-256)
    return chunk
  }

  #stop(pair: Pair): void {
    pair.stopped = true
    for (const { from } of Object.values(pair.flows)) from.pause()
  }

  #deliver(pair: Pair): void {
    pair.stopped = false
    for (const flow of Object.values(pair.flows)) {
      this.#write(flow, flow.held)
      flow.held = Buffer.alloc(0)
      if (this.#mode.kind !== 'hang') flow.from.resume()
    }
  }

  #cut(pair: Pair): void {
    pair.stopped = true
    this.#pairs.delete(pair)
    for (const { from } of Object.values(pair.flows)) breakOff(from)
  }
}

/** Resets a socket; one that is opening or ending cannot be: Node 20 would wait for it when the process exits, for ever. */
function breakOff(socket: Socket): void {
  if (socket.connecting || socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

function addressOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) }
}
