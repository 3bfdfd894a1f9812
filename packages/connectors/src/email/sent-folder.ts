import type { ImapFlow } from 'imapflow'
import type { EmailSettings } from './settings.ts'

// Where a server marks none (RFC 6154): what programs call it.
const NAMES = ['sent', 'sent items', 'sent messages', 'gesendet', 'gesendete elemente', 'envoyés', 'enviados']

/** The path of the Sent folder; undefined where the mailbox has none. */
export async function findSentFolder(client: ImapFlow, settings: EmailSettings): Promise<string | undefined> {
  if (settings.sent_folder) return settings.sent_folder
  const folders = await client.list()
  const marked = folders.find(({ specialUse }) => specialUse === '\\Sent')
  return (marked ?? folders.find(({ name }) => NAMES.includes(name.toLowerCase())))?.path
}
