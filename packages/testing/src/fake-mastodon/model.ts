import type { IdForm } from './ids.ts'

export type Account = {
  id: string
  /** With its server unless it lives on this one. */
  acct: string
  display_name: string
  bot: boolean
  follows: Set<string>
  /** Decisions as `filter`, `accept` or `drop`. */
  policy: Record<string, string>
}

export type Token = { account: Account | null; scopes: string[]; refresh_token: string | null }

export type Media = { id: string; owner: string; mime_type: string; description: string | null; ready_after: number }

export type Status = {
  id: string
  seq: number
  account: Account
  text: string
  spoiler_text: string
  sensitive: boolean
  visibility: string
  language: string | null
  in_reply_to: Status | null
  quoted: Status | null
  mentions: Account[]
  media: Media[]
  created_at: string
  edited_at: string | null
  favourited_by: Set<string>
  deleted: boolean
}

export type Notification = {
  id: string
  seq: number
  type: string
  to: Account
  status: Status
  created_at: string
  filtered: boolean
}

export type NewStatus = {
  text: string
  in_reply_to_id?: string
  quoted_status_id?: string
  visibility?: string
  spoiler_text?: string
  sensitive?: boolean
  language?: string | null
  media_ids?: string[]
  /** For what is to have happened a while ago. */
  created_at?: string
}

/** How this server differs from others. */
export type Traits = {
  ids: IdForm
  software: string
  version: string
  max_characters: number
  /** It does not heed `min_id`, `since_id` and `max_id`; only its Link leads on. */
  ignores_paging: boolean
  /** `GET /api/v1/statuses?id[]=` is there. */
  gives_several: boolean
  /** A repeated Idempotency-Key is the same post. */
  knows_repeats: boolean
  streams: boolean
  /** Only what no client can do without: no limits told, no rate headers, few fields. */
  sparse: boolean
  /** Looks until a file is worked through. */
  media_looks: number
  /** Calls per token within the window. */
  rate_limit: number
  rate_window_ms: number
}

export const USUAL: Traits = {
  ids: 'snowflake',
  software: 'mastodon',
  version: '4.5.0',
  max_characters: 500,
  ignores_paging: false,
  gives_several: true,
  knows_repeats: true,
  streams: true,
  sparse: false,
  media_looks: 2,
  rate_limit: 300,
  rate_window_ms: 300_000,
}
