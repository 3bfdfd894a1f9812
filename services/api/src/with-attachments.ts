import { type Attachment, listAttachmentsOf, type Message, type Trx } from '@parley/db'

/** Messages with their files, for a list: one query for all of them, and none where no message ever had a file. */
export async function withAttachments<T extends Pick<Message, 'id' | 'has_attachments'>>(trx: Trx, messages: T[]) {
  const found = await listAttachmentsOf(
    trx,
    messages.filter(message => message.has_attachments).map(message => message.id),
  )
  return messages.map(message => ({ ...message, attachments: ofMessage(found, message) }))
}

/** A message that was written just now, with the files it was given meanwhile. */
export async function withItsAttachments<T extends Pick<Message, 'id'>>(trx: Trx, message: T) {
  return { ...message, attachments: ofMessage(await listAttachmentsOf(trx, [message.id]), message) }
}

/** Where a file is fetched from is the worker's business; where a link leads is what it is for. */
export const attachmentAnswer = (file: Attachment) => ({
  ...file,
  url: file.state === 'linked' ? file.source_url : null,
})

const ofMessage = (found: Attachment[], { id }: { id: string }) =>
  found.filter(file => file.message_id === id).map(attachmentAnswer)
