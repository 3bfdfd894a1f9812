import type { ConnectorEvent } from '@parley/contracts'
import type { ActionVerb, ChannelCapabilities, ChannelKind, Visibility } from '@parley/domain'
import type { z } from 'zod'
import type { ResolvedHost } from './egress.ts'
import type { NetworkUnavailable } from './errors.ts'

/** A connected account as its connector sees it: settings in clear, credentials already unsealed. */
export type ConnectedChannel = {
  id: string
  /** Our account's id on the network (a DID, a page id); null until the first successful connection. */
  external_id: string | null
  settings: Record<string, unknown>
  /** What `identify` learned of the network's own limits and software. */
  network_facts: Record<string, unknown>
  credentials: Record<string, unknown>
  /** What the connector saved last time through `saveSession`: tokens that rotate. */
  session: Record<string, unknown> | null
}

/** What a connector may use besides the channel. Every call must end when `signal` aborts. */
export type ConnectorContext = {
  now: () => Date
  signal: AbortSignal
  /** Keeps tokens, sealed, before they are used. */
  saveSession: (session: Record<string, unknown>) => Promise<void>
  /**
   * Rotates tokens, one worker at a time: `renew` gets what is saved by then, and what it returns is saved before it is
   * used. Where another worker was faster, its tokens are returned and nothing is renewed.
   * @param stale whether saved tokens are those that no longer work
   */
  renewSession: (
    stale: (saved: Record<string, unknown> | null) => boolean,
    renew: (saved: Record<string, unknown> | null) => Promise<Record<string, unknown>>,
  ) => Promise<Record<string, unknown>>
  /**
   * Throws TooLate once this call may no longer write: its worker slept so long that another one has taken over. Asked
   * right before what the public can see leaves; `fetch` asks by itself.
   */
  assertInTime: () => void
  /**
   * Told when an answer says that its limit is used up: nothing more is asked, or written, before `until`. The limit of
   * something special, such as logins or uploads, is no reason. Never rejects: what the answer says counts all the same.
   */
  limitReached: (calls: 'all' | 'writes', until: Date) => Promise<void>
  /** Fetches only what the egress rules allow: public addresses, no redirects, bounded in size and time. */
  fetch: typeof fetch
  /** Where a host leads that is not called by `fetch`, checked by the same rules. Connect to that address. */
  resolveHost: (host: string) => Promise<ResolvedHost>
  /**
   * Keeps a file that comes with what is polled and can be had from nowhere else; its key is the `blob_key` of the
   * message's attachment. Absent where nothing is polled.
   */
  storeBlob?: (bytes: Buffer) => Promise<string>
}

/**
 * One event as it arrived, for the ledger. `dedup_key` is unique within the channel. Events of one thread share their
 * `thread_key` and are applied in order; null where the event names no thread.
 */
export type ReceivedEvent = { dedup_key: string; thread_key: string | null; payload: unknown }

export type WebhookRequest = { headers: Record<string, string | string[] | undefined>; rawBody: Buffer; now: Date }

/** Per event of a webhook: stored, or refused by itself while the rest of its batch is stored. */
export type ReceivedBatch = {
  events: ReceivedEvent[]
  rejected: { index: number; code: string; detail: string }[]
}

/** A page of what the network has for us. The cursor is stored in the transaction that stores the events. */
export type PollPage = {
  events: ReceivedEvent[]
  cursor: Record<string, unknown>
  /** True when the network has more than this page. */
  more: boolean
  /** What the network tells of itself by now, where that was looked up again. */
  network_facts?: Record<string, unknown>
  /** What went wrong after this page was read: the poll fails with it once the page is stored. */
  failed?: NetworkUnavailable
}

/** A page of what happened before, newest first. */
export type HistoryPage = {
  events: ReceivedEvent[]
  /** Where the next page is; null when there is nothing older, or only what is older than was asked for. */
  cursor: Record<string, unknown> | null
  /** The network's time of the oldest thing on this page; null when nothing is on it. */
  oldest_at: Date | null
}

/** A message on the network, as the connector described it when it came or was sent. */
export type NetworkMessage = {
  external_id: string
  reply_context: Record<string, unknown> | null
  visibility: Visibility
  /** True when it is our own. */
  from_us: boolean
}

/** A file of a reply. */
export type OutgoingAttachment = {
  id: string
  media_type: string
  filename: string | null
  alt_text: string | null
  byte_size: number
  read: () => Promise<Buffer>
}

/** A reply as the agent wrote it, with the message it answers: a customer's, or the part before it of a long reply. */
export type OutgoingReply = {
  message_id: string
  text: string
  visibility: Visibility
  thread_key: string
  queued_at: Date
  in_reply_to: NetworkMessage | null
  attachments: OutgoingAttachment[]
}

/** Something done to a message. Doing the same again must change nothing: an outcome nobody knows is done again. */
export type OutgoingAction = {
  action_id: string
  verb: ActionVerb
  target: NetworkMessage
  /** The new text of an edit. */
  text: string | null
}

/** The exact request, frozen before the network is called, so that a repeat is the same request. */
export type PreparedSend = Record<string, unknown>

export type SendOutcome =
  | {
      outcome: 'sent'
      external_id: string
      accepted_at: Date
      permalink: string | null
      /** What is needed to answer our own message: the next part of a long reply, a correction. */
      reply_context?: Record<string, unknown> | null
    }
  /** The network said no, and nothing is visible. */
  | { outcome: 'rejected'; reason: string }
  /** The network certainly did not accept it and asks to wait. */
  | {
      outcome: 'retry'
      reason: string
      retry_at: Date
      /** `reply`: it is about this one, as a full mailbox is. Otherwise the whole channel is quiet until then. */
      scope?: 'reply'
    }
  /** It may or may not be visible: a time-out, a lost connection, an answer nobody understands. */
  | { outcome: 'unknown'; reason: string }

/** What came of an action; in the words of SendOutcome. */
export type ActionOutcome = { outcome: 'sent'; accepted_at: Date } | Exclude<SendOutcome, { outcome: 'sent' }>

/** Who the credentials belong to, and what the network tells of itself. */
export type Identity = { external_id: string; network_facts?: Record<string, unknown> }

/** One thing that was tried with a channel, and what came of it in words for its admin. */
export type ChannelCheck = { name: string; ok: boolean; detail: string }

/** What a look-up of an earlier send found. `not_found` means the network is sure. */
export type FindSentOutcome =
  | Extract<SendOutcome, { outcome: 'sent' }>
  | { outcome: 'not_found' }
  | { outcome: 'unknown'; reason: string }

/**
 * One network. The only code that knows its wire format.
 * Reads may throw and are retried. Writes return an outcome; a write that throws counts as `unknown`.
 */
export interface Connector {
  readonly kind: ChannelKind
  /** What this account can do: its network's rules, and its own server's limits where they differ. */
  capabilities(channel: Pick<ConnectedChannel, 'settings' | 'network_facts'>): ChannelCapabilities
  /** Refuses unknown fields; `POST /v1/channels` validates with these two. */
  readonly settingsSchema: z.ZodType<Record<string, unknown>>
  readonly credentialsSchema: z.ZodType<Record<string, unknown>>

  /** Makes credentials for a channel created without any; they are shown to its creator once. */
  generateCredentials?(): Record<string, unknown>
  /** Asks the network whose account this is. Throws ChannelAuthError when the credentials are wrong. */
  identify?(channel: ConnectedChannel, context: ConnectorContext): Promise<Identity>
  /**
   * Tries what the channel will need, each thing by itself, and says what is wrong. Absent where `identify` tells all.
   */
  check?(channel: ConnectedChannel, context: ConnectorContext): Promise<ChannelCheck[]>

  /** Checks the sender of a webhook on the raw bytes, then splits the body into events. */
  receive?(channel: ConnectedChannel, request: WebhookRequest): ReceivedBatch
  /** Reads what is new. Repeats are harmless: the ledger is unique on `dedup_key`. */
  poll?(channel: ConnectedChannel, cursor: Record<string, unknown> | null, context: ConnectorContext): Promise<PollPage>
  /** Reads what happened since `since`, from the newest back. Absent where the network has no history to page. */
  readHistory?(
    channel: ConnectedChannel,
    since: Date,
    cursor: Record<string, unknown> | null,
    context: ConnectorContext,
  ): Promise<HistoryPage>
  /**
   * Stays connected and calls `onNews` whenever there is something to poll for. Ends, or throws, when the connection does;
   * it loses nothing, as the next poll reads what was missed.
   */
  listen?(channel: ConnectedChannel, context: ConnectorContext, onNews: () => void): Promise<void>
  /** Describes one stored event in Parley's words. Pure. Throws MalformedPayload. */
  normalise(channel: Pick<ConnectedChannel, 'external_id'>, payload: unknown, received_at: Date): ConnectorEvent

  /**
   * What the network will count of an answer with this text: it and whatever goes out with it, such as the names it has to
   * mention. Pure. Absent where that is the text alone.
   */
  countedText?(text: string, in_reply_to: NetworkMessage): string
  /** True where replies are not sent but wait in the outbox until an integration fetches them. */
  pulled?(channel: Pick<ConnectedChannel, 'settings'>): boolean
  /**
   * Freezes the request. May read from the network and upload what nobody sees yet; writes nothing visible. Keys that
   * we choose follow from `message_id` alone, so that a reply keeps its key whatever happens to what was prepared.
   * Throws SendRefused.
   */
  prepare?(channel: ConnectedChannel, reply: OutgoingReply, context: ConnectorContext): Promise<PreparedSend>
  /** The id that what was prepared will have on the network, where we choose it: its echo is then known at once. */
  expectedId?(prepared: PreparedSend): string
  /** Sends exactly what was prepared. Throws ChannelAuthError only when the account is refused and nothing was sent. */
  send?(channel: ConnectedChannel, prepared: PreparedSend, context: ConnectorContext): Promise<SendOutcome>
  /** Asks the network whether an earlier send became visible. */
  findSent?(channel: ConnectedChannel, prepared: PreparedSend, context: ConnectorContext): Promise<FindSentOutcome>
  /** Does what `capabilities.actions` names. Throws SendRefused when it makes no sense for this message. */
  act?(channel: ConnectedChannel, action: OutgoingAction, context: ConnectorContext): Promise<ActionOutcome>
}
