import type { BlobSource } from './blob-store.ts'

/** More bytes came than are allowed. What was behind them has not been read. */
export class TooManyBytes extends Error {
  override name = 'TooManyBytes'
  readonly maxBytes: number
  constructor(maxBytes: number) {
    super(`more than ${maxBytes} bytes`)
    this.maxBytes = maxBytes
  }
}

/** The same bytes, ending in TooManyBytes at the first one beyond the limit. */
export async function* bounded(source: BlobSource, maxBytes: number): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of source instanceof Uint8Array ? [source] : source) {
    bytes += chunk.byteLength
    if (bytes > maxBytes) throw new TooManyBytes(maxBytes)
    yield chunk
  }
}

export type Peeked = {
  head: Uint8Array
  /** What the source was, from its first byte. */
  whole: AsyncGenerator<Uint8Array>
  /** Lets go of a source that is not going to be read. */
  close: () => Promise<void>
}

/** Reads the first `count` bytes of a source, or all where there are fewer. */
export async function peek(source: AsyncIterable<Uint8Array>, count: number): Promise<Peeked> {
  const chunks: Uint8Array[] = []
  const rest = source[Symbol.asyncIterator]()
  let bytes = 0
  while (bytes < count) {
    const next = await rest.next()
    if (next.done) break
    chunks.push(next.value)
    bytes += next.value.byteLength
  }
  async function* whole() {
    try {
      yield* chunks
      for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value
    } finally {
      await close()
    }
  }
  const close = async () => {
    await rest.return?.()
  }
  return { head: Buffer.concat(chunks).subarray(0, count), whole: whole(), close }
}
