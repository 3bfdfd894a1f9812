import type { Misbehaviour } from './misbehaviour.ts'
import type { StoryOptions } from './story.ts'
import type { SendOptions, SendResult } from './webhook-sender.ts'

/** What the process of the network does when it is told to. */
export type Commands = {
  /** Ends when everything is acknowledged, or was tried as often as allowed. */
  send: (options: SendOptions) => Promise<SendResult>
  addAccount: (identifier: string, password: string) => void
  publish: (identifier: string, story: StoryOptions) => void
  publishPoison: (identifier: string, uri: string, indexed_at: string, notification: Record<string, unknown>) => void
  withdraw: (identifier: string, uri: string) => void
  /** From now on; replaces what was asked before. */
  misbehave: (identifier: string, faults: Misbehaviour[]) => void
  restore: (identifier: string) => void
}
