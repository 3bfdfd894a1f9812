import {
  AUTHOR_TYPES,
  CONVERSATION_PRIORITIES,
  CONVERSATION_STATUSES,
  DISMISSALS,
  DISPOSITIONS,
  EVERY_CONVERSATION_STATUS,
  LANGUAGE_SOURCES,
  MAX_TEXT_BYTES,
  MESSAGE_DIRECTIONS,
  MESSAGE_STATES,
  VISIBILITIES,
} from '@parley/domain'
import { z } from 'zod'
import { attachmentView } from './attachments.ts'
import { attributeChanges } from './attributes.ts'
import { externalId, id, instantIn, instantOut, language, safeText } from './common.ts'
import { postView } from './posts.ts'
import { triageView } from './triage.ts'

const MAX_HOLD_SECONDS = 7 * 24 * 3600
export const MAX_OWN_TEXT_BYTES = 64 * 1024

export const conversationView = z
  .object({
    id,
    number: z.int(),
    inbox_id: id,
    channel_id: id,
    post_id: id.nullable().meta({ description: 'What it is on; null where nobody said.' }),
    /** The customer who began it; null while nobody but us has spoken. */
    contact: z.object({ id, name: z.string() }).nullable(),
    subject: z.string().nullable(),
    status: z.enum(EVERY_CONVERSATION_STATUS),
    snoozed_until: instantOut.nullable(),
    priority: z.enum(CONVERSATION_PRIORITIES),
    language: z.string().nullable().meta({ description: 'In which somebody should be able to read it, as BCP 47.' }),
    language_source: z.enum(LANGUAGE_SOURCES).nullable().meta({
      description: 'Who says so: a person of the team, the contact, or nobody but what its customers write in.',
    }),
    assignee_id: id.nullable(),
    team_id: id.nullable(),
    attributes: z.unknown().meta({
      type: 'object',
      additionalProperties: { type: ['string', 'number', 'boolean'] },
      description: 'What the workspace keeps of it, by the keys of its attributes.',
    }),
    claim_expires_at: instantOut.nullable().meta({
      description: 'When it goes back to the queue unless its owner works on it; null: it does not.',
    }),
    waiting_since: instantOut.nullable(),
    next_due_at: instantOut.nullable().meta({
      description: 'When the earliest promise to somebody who waits falls due, or fell due; null: none runs.',
    }),
    last_message_at: instantOut,
    resolved_at: instantOut.nullable(),
    follows_id: id
      .nullable()
      .meta({ description: 'The earlier one that was resolved too long before to be opened again.' }),
    followed_by_id: id.nullable().meta({ description: 'The one that goes on from this.' }),
    split_from_id: id.nullable().meta({ description: 'The one it was split off.' }),
    merged_into_id: id.nullable().meta({ description: 'Where its messages are now; its status is then merged.' }),
    version: z.int(),
    created_at: instantOut,
    updated_at: instantOut,
  })
  .meta({ id: 'Conversation' })

export const conversationPatch = z
  .strictObject({
    status: z.enum(CONVERSATION_STATUSES).optional(),
    /** With status `snoozed`: until then it is out of sight, unless its customer writes again. */
    snoozed_until: instantIn.optional(),
    priority: z.enum(CONVERSATION_PRIORITIES).optional(),
    subject: safeText(1024).nullable().optional(),
    /** What you say stands; null leaves it to what is found out. */
    language: language.nullable().optional(),
    attributes: attributeChanges.optional(),
  })
  .refine(patch => Object.keys(patch).length > 0, 'must change something')
  .refine(patch => (patch.status === 'snoozed') === (patch.snoozed_until !== undefined), {
    message: 'goes with status snoozed, and that with it',
    path: ['snoozed_until'],
  })

export const conversationMergeBody = z.strictObject({
  /** Whose messages are moved into the conversation of the path. */
  from_id: id,
  /** Refused when that one has changed since. */
  from_version: z.int().min(1).optional(),
})

export const conversationSplitBody = z.strictObject({
  message_ids: z.array(id).min(1).max(200),
  /** Along with everything that answers them, and what answers that. */
  with_replies: z.boolean().default(false),
  /** That of the old one when absent. */
  subject: safeText(1024).nullable().optional(),
})

/** `from` is the owner the caller saw: the write is refused when somebody else owns it by now. */
export const assigneeBody = z.strictObject({ assignee_id: id.nullable(), from: id.nullable() })

export const messageView = z
  .object({
    id,
    conversation_id: id,
    direction: z.enum(MESSAGE_DIRECTIONS),
    kind: z.string(),
    visibility: z.enum(VISIBILITIES),
    state: z.enum(MESSAGE_STATES),
    state_reason: z.string().nullable(),
    author_type: z.enum(AUTHOR_TYPES),
    author_id: id.nullable(),
    contact_id: id.nullable(),
    body: z.string().meta({
      description: `What was written, in NFC. What a customer writes is kept whole up to ${MAX_TEXT_BYTES} bytes of UTF-8.`,
    }),
    body_html: z
      .string()
      .nullable()
      .meta({
        description:
          `The same as HTML that is safe to put into a page, up to ${MAX_TEXT_BYTES} bytes; null where the network sends ` +
          'plain text. Paragraphs, lists, quotes, code, emphasis and links to the web or a mailbox: no images, styles or ids.',
      }),
    body_marks: z.array(z.string()).meta({
      description:
        'What was done so that it could be stored: nul_removed (NUL characters taken out), surrogates_replaced (halves ' +
        'of surrogate pairs became U+FFFD), html_cleaned (elements, addresses or scripts left out of the HTML), ' +
        'truncated (cut at the limit, between two graphemes), erased (taken away for good). Empty when it stands here as it was written.',
    }),
    body_quoted: z.string().nullable().meta({
      description:
        'What a mail repeats of earlier ones, left out of body; null where it repeats nothing. The HTML is whole.',
    }),
    automatic: z.boolean().meta({
      description: 'A program wrote it, such as an out-of-office note: nobody waits for an answer to it.',
    }),
    sender_verified: z
      .boolean()
      .nullable()
      .meta({
        description:
          "Whether the mailbox's own server vouches for the sender: false where it says that the sender is not who it " +
          'claims to be, null where nothing is known.',
      }),
    disposition: z
      .enum(DISPOSITIONS)
      .nullable()
      .meta({
        description:
          "What became of a customer's message; null of other messages. Unhandled and acknowledged ones wait for an answer. " +
          'no_reply_needed: somebody said so, or it is deleted, automatic or history.',
      }),
    answered_by_id: id
      .nullable()
      .meta({ description: 'The answer of a person that reached the customer first after it.' }),
    answered_at: instantOut.nullable().meta({ description: 'When the network took that answer.' }),
    from_history: z
      .boolean()
      .meta({ description: 'It was said before anybody listened: nobody waits for an answer to it.' }),
    dismissed_at: instantOut.nullable().meta({
      description: 'Since when it needs no answer, as somebody has said: nobody waits for one to it. Null otherwise.',
    }),
    dismissed_as: z.enum(DISMISSALS).nullable(),
    dismissed_reason: z.string().nullable(),
    dismissed_by_type: z.string().nullable(),
    dismissed_by_id: id.nullable(),
    reply_until: instantOut.nullable().meta({
      description: 'Until when its network takes an answer, where it says so.',
    }),
    flagged_at: instantOut.nullable().meta({
      description: 'Since when somebody is to look at it. Null otherwise, and once it is cleared, hidden or deleted.',
    }),
    flagged_reason: z.string().nullable(),
    flagged_by_type: z.string().nullable(),
    flagged_by_id: id.nullable(),
    external_id: z.string().nullable(),
    in_reply_to: id.nullable(),
    permalink: z.string().nullable(),
    occurred_at: instantOut,
    received_at: instantOut,
    edited_at: instantOut.nullable(),
    deleted_at: instantOut.nullable(),
    liked_at: instantOut.nullable().meta({ description: 'When the network took our like.' }),
    hidden_at: instantOut.nullable().meta({ description: 'When the network hid it for us.' }),
    hold_until: instantOut.nullable().meta({ description: 'Until then a queued reply can be taken back.' }),
    part_of: id.nullable().meta({ description: 'Of a long reply in several posts: the first of them.' }),
    part_number: z.int().nullable().meta({ description: 'Which of these posts it is; 1 is the first.' }),
    attachments: z.array(attachmentView),
    mentions: z
      .array(z.object({ user_id: id, team_id: id.nullable() }))
      .optional()
      .meta({ description: 'Of a note: who is mentioned in it, and by which team; null: by name.' }),
  })
  .meta({ id: 'Message' })

/** A message of a thread, with what `include` asked for. */
export const listedMessage = messageView
  .extend({ triage: triageView.nullable().optional() })
  .meta({ id: 'ListedMessage' })

/** A conversation of a list, with what `include` asked for. */
export const listedConversation = conversationView
  .extend({
    last_message: messageView.nullable().optional(),
    sla: z
      .array(z.object({ metric: z.string(), contact_id: id.nullable(), started_at: instantOut, due_at: instantOut }))
      .optional()
      .meta({ description: 'The promises that run, the earliest first.' }),
    tags: z.array(z.object({ id, name: z.string(), color: z.string().nullable() })).optional(),
    post: postView.nullable().optional(),
    read_at: instantOut.nullable().optional().meta({ description: 'Up to when the caller has read it.' }),
    triage: triageView.nullable().optional().meta({ description: "Of the customers' last message." }),
  })
  .meta({ id: 'ListedConversation' })

const MAX_MENTIONS = 50

export const noteBody = z.strictObject({
  body: safeText(MAX_OWN_TEXT_BYTES),
  /** Who is to be told of it: people who work in the inbox, and teams, of whom those are told who do. */
  mentions: z
    .strictObject({
      user_ids: z.array(id).max(MAX_MENTIONS).default([]),
      team_ids: z.array(id).max(MAX_MENTIONS).default([]),
    })
    .optional(),
})

export const replyBody = z.strictObject({
  body: safeText(MAX_OWN_TEXT_BYTES),
  /** Never wider than the message it answers; as wide as that when absent. */
  visibility: z.enum(VISIBILITIES).optional(),
  /** The message being answered; the customer's latest one when absent. */
  in_reply_to: id.optional(),
  /** The last message the author saw; the reply is refused when anybody has said something since. */
  seen_up_to: id.optional(),
  /** Send it whatever was said since, and also to a customer who is not to be contacted. */
  force: z.boolean().default(false),
  /** Resolve the conversation once the network has accepted the reply. */
  resolve_after: z.boolean().default(false),
  /** Wait so long before it goes out; until then `cancel` takes it back. */
  hold_seconds: z.int().min(1).max(MAX_HOLD_SECONDS).optional(),
  /** What is too long for one post goes out in several, each answering the one before. */
  split: z.boolean().default(false),
  /** Uploads that go out with it. */
  attachment_ids: z.array(id).max(20).default([]),
  /** The version of the shared draft that is sent with this: the draft is then discarded. */
  draft_version: z.int().min(1).optional(),
})

/** A reply that was taken in. `parts` has all its posts when it goes out in several, and is empty otherwise. */
export const replyView = messageView.extend({ parts: z.array(messageView) }).meta({ id: 'Reply' })

export const markSentBody = z.strictObject({
  /** Its id on the network, where that is known: what answers it is then found to belong to it. */
  external_id: externalId.optional(),
  permalink: z
    .url({ protocol: /^https?$/, normalize: true })
    .max(2048)
    .optional(),
  /** When it appeared; when it was sent, if absent. */
  sent_at: instantIn.optional(),
})

export const markNotSentBody = z.strictObject({ reason: safeText(1000).optional() })

/** One call to the network about a reply or an action. */
export const attemptView = z
  .object({
    number: z.int(),
    started_at: instantOut,
    finished_at: instantOut.nullable(),
    outcome: z.string().nullable(),
    reason: z.string().nullable(),
    /** How often the network was asked what became of it. */
    looks: z.int(),
  })
  .meta({ id: 'SendAttempt' })
export const attempts = z.object({ data: z.array(attemptView) })

/** What a message said at one time of its network; the last one is what it says now. */
export const messageVersionView = z
  .object({
    version_at: instantOut,
    received_at: instantOut,
    body: z.string(),
    body_html: z.string().nullable(),
    body_marks: z.array(z.string()),
  })
  .meta({ id: 'MessageVersion' })

export const messageVersions = z.object({ data: z.array(messageVersionView) })

/** What stands around a message, as far as it is here. */
export const messageContext = z
  .object({
    post: postView.nullable(),
    ancestors: z
      .array(messageView)
      .meta({ description: 'What it answers, and what that answers: the first of it first.' }),
    before: z.array(messageView).meta({ description: 'What was said beside it before, oldest first.' }),
    message: messageView,
    after: z.array(messageView).meta({ description: 'What was said beside it after, oldest first.' }),
    replies: z.array(messageView).meta({ description: 'What answers it, oldest first.' }),
  })
  .meta({ id: 'MessageContext' })
