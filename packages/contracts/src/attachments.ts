import { ATTACHMENT_STATES } from '@parley/domain'
import { z } from 'zod'
import { id, instantOut, safeText } from './common.ts'

const MAX_ALT_TEXT_BYTES = 16 * 1024

/** A file of a message, or an upload that no reply has yet. */
export const attachmentView = z
  .object({
    id,
    message_id: id.nullable().meta({ description: 'Null while no reply has it.' }),
    state: z.enum(ATTACHMENT_STATES).meta({
      description:
        'pending: being fetched from its network; stored: /content has it; refused: it will not be kept; failed: it ' +
        'could not be had; linked: a page or a video elsewhere, at `url`. `reason` says why.',
    }),
    url: z.string().nullable().meta({
      description: "Of what is linked. It is the author's word: show where it leads before anybody follows it.",
    }),
    reason: z.string().nullable(),
    media_type: z.string().nullable().meta({
      description: 'What its content is, whatever its sender claims; null until it is stored.',
    }),
    byte_size: z.int().nullable().meta({ description: 'Until it is stored, what the network says.' }),
    sha256: z.string().nullable(),
    filename: z.string().nullable(),
    alt_text: z.string().nullable(),
    inline: z.boolean().meta({ description: 'Shown within the text, as pictures of an e-mail are.' }),
    created_at: instantOut,
  })
  .meta({ id: 'Attachment' })

/** What is said of an upload beside its bytes. The name is made safe, not refused. */
export const attachmentQuery = z.strictObject({
  filename: z.string().max(1024).optional(),
  alt_text: safeText(MAX_ALT_TEXT_BYTES).optional(),
})
