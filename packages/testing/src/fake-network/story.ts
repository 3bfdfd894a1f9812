import { below, type Random, seededRandom } from './random.ts'

/** What people write on the network: the same for the same options. */
export type StoryOptions = {
  seed: number
  /** Leads every id, so that two stories share none. */
  name: string
  messages: number
  /** When the first is written, in epoch milliseconds; a message a second from there on. */
  started_at: number
  /** The share of messages that are edited later, some of them twice. */
  edited?: number
  /** The share of messages that are deleted in the end. */
  deleted?: number
  /** Several messages of a thread share their second, as networks stamp whole seconds. */
  same_times?: boolean
  /** Leads the ids of the people who write; `name` by default. */
  authors?: string
  /** They call themselves by another name than in other stories. */
  renamed?: boolean
}

/** One state of one message: written (version 1), edited, or deleted, which is always the last. */
export type StoryEvent = {
  id: string
  external_id: string
  version: number
  deleted: boolean
  thread: string
  author: { id: string; name: string }
  text: string
  occurred_at: string
  version_at: string
}

const TEXTS = [
  'Where is my order? It was due on Monday.',
  'Wann kommt die nächste Größe wieder herein?',
  '¿Cuándo llegará? Mañana salgo de viaje.',
  'متى يصل طلبي؟ شكرًا لكم.',
  '注文はいつ届きますか。',
  'Love it 😍👩‍👩‍👧 but the zip is broken…',
  'It\'s <b>not</b> 100 %; \\ really "fine"',
]
const NEW_THREADS = 0.3
const ACTIVE_THREADS = 20

/** Every event in the order of its time: a message before its edits, those before its deletion. */
export function tellStory(options: StoryOptions): StoryEvent[] {
  const random = seededRandom(options.seed)
  const threads: string[] = []
  const events: StoryEvent[] = []
  for (let index = 0; index < options.messages; index += 1) {
    const first = write(random, options, index, threads)
    events.push(first, ...changes(random, options, first))
  }
  return events.sort((a, b) => (a.version_at < b.version_at ? -1 : a.version_at > b.version_at ? 1 : 0))
}

function write(
  random: Random,
  { name, started_at, same_times, authors = name, renamed }: StoryOptions,
  index: number,
  threads: string[],
): StoryEvent {
  const external_id = `${name}-${index}`
  const opens = threads.length === 0 || random() < NEW_THREADS
  if (opens) threads.push(external_id)
  const recent = Math.min(ACTIVE_THREADS, threads.length)
  const author = `${authors}-author-${below(random, 40)}`
  const at = new Date(started_at + Math.floor(index / (same_times ? 25 : 1)) * 1000).toISOString()
  return {
    id: `${external_id}-1`,
    external_id,
    version: 1,
    deleted: false,
    thread: opens ? external_id : threads[threads.length - 1 - below(random, recent)]!,
    author: { id: author, name: `The ${renamed ? 'new ' : ''}name of ${author}` },
    text: `${TEXTS[below(random, TEXTS.length)]} (${external_id})`,
    occurred_at: at,
    version_at: at,
  }
}

function changes(random: Random, { edited = 0, deleted = 0 }: StoryOptions, first: StoryEvent): StoryEvent[] {
  const later: StoryEvent[] = []
  const next = (fields: Partial<StoryEvent>) => {
    const last = later.at(-1) ?? first
    const version = last.version + 1
    const version_at = new Date(Date.parse(last.version_at) + 1 + below(random, 30_000)).toISOString()
    later.push({ ...last, id: `${first.external_id}-${version}`, version, version_at, ...fields })
  }
  for (let edits = random() < edited ? 1 + below(random, 2) : 0; edits > 0; edits -= 1) {
    next({ text: `${TEXTS[below(random, TEXTS.length)]} (${first.external_id}, edit ${edits})` })
  }
  if (random() < deleted) next({ deleted: true })
  return later
}
