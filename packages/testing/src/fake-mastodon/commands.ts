import type { MastodonMisbehaviour } from './misbehaviour.ts'
import type { NewStatus, Traits } from './model.ts'

export type AccountOptions = {
  display_name?: string
  bot?: boolean
  scopes?: string[]
  /** Its token can be renewed. */
  renewable?: boolean
}

export type Granted = { id: string; token: string; refresh_token: string | null }

export type ShownStatus = {
  id: string
  account: string
  text: string
  spoiler_text: string
  visibility: string
  language: string | null
  in_reply_to_id: string | null
  mentions: string[]
  media: { id: string; description: string | null }[]
  favourites: number
  deleted: boolean
}

/** What the process of the server does when it is told to. */
export type MastodonCommands = {
  /** Before the first account. */
  configure: (traits: Partial<Traits>) => void
  /** Its public address, where something stands before it. */
  beKnownAs: (origin: string) => void
  addAccount: (acct: string, options?: AccountOptions) => Granted
  /** A token of an application and of nobody's account. */
  addAppToken: () => string
  follow: (acct: string, whom: string) => void
  setPolicy: (acct: string, policy: Record<string, string>) => void
  /** Somebody writes, without a client. */
  post: (acct: string, status: NewStatus) => string
  edit: (id: string, text: string) => void
  remove: (id: string) => void
  /** The token is no longer taken. With its refresh token gone too unless it only ran out. */
  revoke: (token: string, ranOut?: boolean) => void
  /** From now on; replaces what was asked before. */
  misbehave: (faults: MastodonMisbehaviour[]) => void
  statuses: () => ShownStatus[]
  openStreams: () => number
  cutStreams: () => void
}

export const COMMANDS: (keyof MastodonCommands)[] = [
  'configure',
  'beKnownAs',
  'addAccount',
  'addAppToken',
  'follow',
  'setPolicy',
  'post',
  'edit',
  'remove',
  'revoke',
  'misbehave',
  'statuses',
  'openStreams',
  'cutStreams',
]
