import type { ContactErasure, Trx } from '@parley/db'
import type { Traces } from './traces.ts'

/**
 * What an erasure does, in this order. Replies end before what they answer goes, files before the messages that lead to
 * them, and the log comes last, when nothing is added to it any more.
 */
export const STEPS = ['replies', 'files', 'messages', 'posts', 'conversations', 'ledger', 'answers', 'log'] as const
export type Step = (typeof STEPS)[number]

/** What a step works with. */
export type ErasureTask = {
  erasure: ContactErasure
  /** The contact with all that were merged into it. */
  everybody: string[]
  traces: Traces
  /** The hashes of their accounts. */
  accounts: Set<string>
  /** Of the workspace, for hashes of ids. */
  key: Buffer
  workspace_id: string
  now: Date
}

/** What the process lends a step. */
export type ErasureTools = {
  secretKey: Buffer
  /**
   * Who wrote an event of the ledger, by their id on its network: null when nobody did, undefined when it cannot be
   * read.
   */
  authorOf: (
    trx: Trx,
    row: {
      channel_id: string
      payload: unknown
      received_at: Date
    },
  ) => Promise<{ network: string; external_id: string } | null | undefined>
}

/** Files whose bytes can be deleted now; to be told when they are. */
export type FilesToDelete = { keys: string[]; attachments: string[]; exports: string[]; marked_at: Date }

/**
 * What one transaction of a step came to. `position`: where it goes on; null when the step is over. `wait`: it cannot go
 * on yet.
 */
export type StepResult = {
  position: unknown
  counts?: Record<string, number>
  wait?: boolean
  files?: FilesToDelete
}

export type StepWork = (trx: Trx, task: ErasureTask, tools: ErasureTools) => Promise<StepResult>

export const FIRST_ID = '00000000-0000-0000-0000-000000000000'
