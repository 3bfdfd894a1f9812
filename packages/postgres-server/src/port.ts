import { once } from 'node:events'
import { createServer } from 'node:net'

/** Proves that `port` can be listened on, and returns it; 0 returns one that is free at this moment. */
export async function findPort(port: number): Promise<number> {
  const probe = createServer()
  probe.listen(port, '127.0.0.1')
  try {
    await once(probe, 'listening')
  } catch (cause) {
    throw new Error(
      `PostgreSQL cannot listen on port ${port} of 127.0.0.1 (${cause instanceof Error ? cause.message : cause}). ` +
        'Stop the program that uses it, or choose another port.',
      { cause },
    )
  }
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  return address && typeof address === 'object' ? address.port : port
}
