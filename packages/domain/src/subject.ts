const REPLY_WORD = '(?:re|fw|fwd|aw|wg|sv|antw|vs|ref|rif|res|enc|tr|odp|rv)'
const REPLY_PREFIX = new RegExp(`^${REPLY_WORD}\\s?(?:\\[\\d{1,3}\\]|\\(\\d{1,3}\\))?\\s?[:：]\\s?`, 'iu')
// `[External]`, `[Ticket #4711]`: what lists, scanners and other help desks put before a subject.
const TAG = /^\[[^\]]{0,60}\]\s?/u
const SPACES = /\s+/gu
const MAX_LENGTH = 1_000

/** Subjects under which anybody may write about anything: two of them are not about the same. */
const GENERIC = new Set(
  (
    'hello,hi,hey,question,help,info,information,support,test,request,order,contact,feedback,problem,issue,urgent,' +
    'no subject,(no subject),none,hallo,frage,anfrage,hilfe,kein betreff,(kein betreff),bonjour,salut,aide,' +
    '(sans objet),sans objet,hola,ayuda,consulta,sin asunto,(sin asunto),ciao,domanda,aiuto,olá,ola,ajuda,pergunta'
  ).split(','),
)

/** A subject without what answering, forwarding and other programs put before it, for comparing. */
export function normaliseSubject(subject: string): string {
  let rest = subject.slice(0, MAX_LENGTH).replace(SPACES, ' ').trim()
  for (;;) {
    const shorter = rest.replace(REPLY_PREFIX, '').replace(TAG, '')
    if (shorter === rest) return rest.trim().toLowerCase()
    rest = shorter.trimStart()
  }
}

/** True when its writer's program says that it answers something. */
export function hasReplyPrefix(subject: string): boolean {
  let rest = subject.slice(0, MAX_LENGTH).replace(SPACES, ' ').trim()
  while (TAG.test(rest)) rest = rest.replace(TAG, '')
  return REPLY_PREFIX.test(rest)
}

/** The subject for finding the conversation it continues; null where it is too common to tell. */
export function comparableSubject(subject: string | null): string | null {
  const normalised = normaliseSubject(subject ?? '')
  return normalised === '' || GENERIC.has(normalised.replace(/[!?.…]+$/u, '')) ? null : normalised
}
