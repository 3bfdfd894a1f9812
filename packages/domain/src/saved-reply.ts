import { cutText } from './text/clean-text.ts'

/** What a saved reply can ask for, in the order in which agents are shown it. */
export const REPLY_VARIABLES = {
  'contact.name': "the customer's name, as their network shows it",
  'contact.first_name': 'its first word',
  'contact.handle': 'their account on the network, without an @',
  'agent.name': 'who answers',
  'agent.first_name': 'the first word of that name',
  'conversation.number': 'the number of the conversation',
  'conversation.subject': 'what it is about, where the network has subjects',
  'channel.name': 'the connected account, by the name it has here',
  'channel.kind': 'its network',
  'inbox.name': 'the inbox',
  'workspace.name': 'the workspace',
} as const
export type ReplyVariable = keyof typeof REPLY_VARIABLES
/** What stands for each of them in one conversation; undefined: it has none. */
export type ReplyValues = Record<ReplyVariable, string | undefined>

const MAX_VALUE_BYTES = 1_000
const NOT_PLAIN = /[\s\p{Cc}\u202a-\u202e\u2066-\u2069]+/gu
const VISIBLE = /[^\s\p{C}\u115f\u1160\u3164\uffa0\u2800]/u

/**
 * A name as it goes into a sentence: in one line, without what turns the direction of the text behind it, at most 1000
 * bytes; undefined when there is nothing to see.
 */
export function plainValue(text: string | null | undefined): string | undefined {
  const plain = cutText((text ?? '').replace(NOT_PLAIN, ' ').trim(), MAX_VALUE_BYTES).trim()
  return VISIBLE.test(plain) ? plain : undefined
}

/** What a person is called to their face, as far as a name tells. */
export function firstName(name: string | undefined): string | undefined {
  return name?.split(' ')[0]
}

const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu

/**
 * A text as it is compared and searched: the same for every width, case and composition of its letters, without what
 * cannot be seen. By way of capitals, so that ß is SS; and all four of the Turkish i are one, as keyboards differ.
 */
export function searchKey(text: string): string {
  const plain = text.normalize('NFKC').replace(INVISIBLE, '')
  const folded = plain.toLowerCase().toUpperCase().toLowerCase().replaceAll('i\u0307', 'i')
  return folded.normalize('NFKC')
}
