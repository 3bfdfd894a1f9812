import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import t, { type Test } from 'tap'
import { FaultProxy } from '../src/fault-proxy.ts'
import { until } from '../src/until.ts'

/** A server that sends back what it gets, behind a proxy, and a connection through it. */
async function openEcho(t: Test) {
  const server = createServer(socket => socket.on('error', () => {}).pipe(socket))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  const proxy = await FaultProxy.start(t, url)
  const dial = () => {
    const socket = connect(Number(new URL(proxy.through(url)).port), '127.0.0.1')
    let received = ''
    socket.on('data', chunk => {
      received += chunk
    })
    socket.on('error', () => {})
    const closed = new Promise<void>(resolve => socket.once('close', () => resolve()))
    return { socket, closed, received: () => received }
  }
  return { proxy, dial }
}

t.test('bytes pass both ways, and connections are counted', async t => {
  const { proxy, dial } = await openEcho(t)
  const { socket, closed, received } = dial()
  socket.write('hello')
  await once(socket, 'data')
  t.equal(received(), 'hello')
  t.equal(proxy.accepted, 1)
  t.equal(proxy.open, 1)
  proxy.cutAll()
  await closed
  t.equal(proxy.open, 0)
})

t.test('a pattern is held back with all that follows it, also when it comes in pieces', async t => {
  const { proxy, dial } = await openEcho(t)
  const sprung = proxy.trap({ direction: 'down', armedBy: 'begin', pattern: 'COMMIT', effect: 'cut' })
  const spared = dial()
  spared.socket.write('COMMIT')
  await once(spared.socket, 'data')
  t.equal(spared.received(), 'COMMIT', 'a connection that is not armed is spared')
  const { socket, closed, received } = dial()
  socket.write('begin; COM')
  await once(socket, 'data')
  socket.write('MIT; more')
  await sprung
  await closed
  t.equal(received(), 'begin; COM')
})

t.test('what had passed before a connection was armed springs no trap', async t => {
  const { proxy, dial } = await openEcho(t)
  const sprung = proxy.trap({ direction: 'down', armedBy: 'begin', pattern: 'COMMIT', effect: 'cut' })
  const { socket, closed, received } = dial()
  for (const text of ['COMMIT ', 'begin ', 'rows ']) {
    socket.write(text)
    await once(socket, 'data')
  }
  t.equal(received(), 'COMMIT begin rows ')
  socket.write('COMMIT')
  await sprung
  await closed
  t.equal(received(), 'COMMIT begin rows ')
})

t.test('what a trap holds can be delivered when its sender is gone, and that it is gone is not told', async t => {
  const arrived: string[] = []
  let ended = false
  const server = createServer(socket => {
    socket.on('data', chunk => arrived.push(`${chunk}`)).on('error', () => {})
    socket.on('close', () => {
      ended = true
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`
  const proxy = await FaultProxy.start(t, url)
  const sprung = proxy.trap({ direction: 'up', pattern: 'post', effect: 'hold' })
  const sender = connect(Number(new URL(proxy.through(url)).port), '127.0.0.1')
  sender.write('first ')
  await until('the first has arrived', async () => arrived.length > 0)
  sender.write('now post')
  const { deliver } = await sprung
  sender.destroy()
  await until('what came before it has arrived', async () => arrived.join('') === 'first now ')
  deliver()
  await until('all has arrived', async () => arrived.join('') === 'first now post')
  t.equal(ended, false)
  t.equal(proxy.open, 1)
  proxy.cutAll()
  await until('a cut is told', async () => ended)
})

t.test('a connection that hangs goes on where it was', async t => {
  const { proxy, dial } = await openEcho(t)
  const { socket, received } = dial()
  socket.write('one ')
  await once(socket, 'data')
  proxy.set({ kind: 'hang' })
  socket.write('two')
  const later = dial()
  later.socket.write('three')
  await once(later.socket, 'connect')
  t.equal(received(), 'one ')
  proxy.set({ kind: 'pass' })
  await Promise.all([once(socket, 'data'), once(later.socket, 'data')])
  t.equal(received(), 'one two')
})

t.test('what a trap has stopped goes on when it is released, and nothing of it is lost', async t => {
  const { proxy, dial } = await openEcho(t)
  const sprung = proxy.trap({ direction: 'up', pattern: 'COMMIT', effect: 'hang' })
  const { socket, received } = dial()
  socket.write('begin; COMMIT; select')
  await sprung
  t.equal(received(), '')
  proxy.release()
  await until('it goes on', async () => received() === 'begin; COMMIT; select')
  socket.write('; end')
  await until('what follows comes too', async () => received() === 'begin; COMMIT; select; end')
})

t.test('a connection is cut after so many bytes, and refused altogether', async t => {
  const { proxy, dial } = await openEcho(t)
  proxy.set({ kind: 'cut-after', direction: 'up', bytes: 4 })
  const cut = dial()
  cut.socket.write('123456789')
  await cut.closed
  t.ok(cut.received().length <= 4)
  proxy.set({ kind: 'refuse' })
  await dial().closed
  t.equal(proxy.open, 0)
})
