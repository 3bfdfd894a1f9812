/** Customers' messages, always the same for the same `name` and `startedAt`, so that every process can make them. */
export type Corpus = { name: string; count: number; startedAt: number }

export type CorpusMessage = {
  id: string
  external_id: string
  thread_id: string
  /** Whether this message begins its thread. */
  opens: boolean
  author: { platform_id: string; handle: string; name: string }
  text: string
  created_at: string
}

/** Three of ten comments begin a thread; the others answer in one of the last hundred. */
const NEW_THREADS = 0.3
const ACTIVE_THREADS = 100
const AUTHORS = 2_000
/** Who answers is mostly the one who asked. */
const SAME_AUTHOR = 0.7
const TEXT_LENGTH = 200
/** How fast customers write. Networks stamp whole seconds. */
const PER_SECOND = 1_000

const PHRASES = [
  'Where is my order? It was due on Monday. ',
  'Wann kommt die nächste Größe wieder herein? ',
  'Merci beaucoup, ça marche très bien ! ',
  '¿Cuándo llegará? Mañana salgo de viaje. ',
  'متى يصل طلبي؟ شكرًا لكم. ',
  '注文はいつ届きますか。よろしくお願いします。',
  'Спасибо, всё пришло вовремя. ',
  'Love it 😍🎉👩‍👩‍👧 but the zip is broken… ',
]

/** What customers write: one text of each language first. */
export const TEXTS = PHRASES.map((_, first) => textOf(first))

export function createCorpus({ name, count, startedAt }: Corpus): CorpusMessage[] {
  const random = randomNumbers(`${name}`)
  const pick = (size: number) => Math.floor(random() * size)
  const threads: { id: string; author: number }[] = []
  const messages: CorpusMessage[] = []
  for (let index = 0; index < count; index += 1) {
    const opens = threads.length === 0 || random() < NEW_THREADS
    if (opens) threads.push({ id: `${name}-thread-${index}`, author: pick(AUTHORS) })
    const thread = opens
      ? threads.at(-1)!
      : threads[threads.length - 1 - pick(Math.min(ACTIVE_THREADS, threads.length))]!
    const author = opens || random() < SAME_AUTHOR ? thread.author : pick(AUTHORS)
    messages.push({
      id: `evt-${name}-${index}`,
      external_id: `${name}-${index}`,
      thread_id: thread.id,
      opens,
      author: { platform_id: `${name}-author-${author}`, handle: `author${author}`, name: `Zoë Müller ${author}` },
      text: TEXTS[pick(TEXTS.length)]!,
      created_at: new Date(Math.floor(startedAt / 1000 + index / PER_SECOND) * 1000).toISOString(),
    })
  }
  return messages
}

/** The message as an integration posts it. */
export function webhookEvent({ id, opens: _, ...message }: CorpusMessage) {
  return { id, type: 'message.received', data: { ...message, kind: 'comment', visibility: 'public' } }
}

/** 200 characters, told apart as Postgres counts them. */
function textOf(first: number): string {
  let text = ''
  for (let index = first; [...text].length < TEXT_LENGTH; index += 1) text += PHRASES[index % PHRASES.length]
  return [...text].slice(0, TEXT_LENGTH).join('').trim()
}

/** Numbers in [0, 1) that depend on the seed alone (xorshift32). */
function randomNumbers(seed: string): () => number {
  let state = [...seed].reduce((hash, char) => Math.imul(hash ^ char.codePointAt(0)!, 16777619), 2166136261) | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}
