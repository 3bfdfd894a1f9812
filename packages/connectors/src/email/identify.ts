import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { ChannelCheck, ConnectedChannel, ConnectorContext, Identity } from '../connector.ts'
import { ChannelAuthError, NetworkUnavailable } from '../errors.ts'
import { withDetail } from './addresses.ts'
import { openFolder, withImap } from './imap.ts'
import { composeMail } from './mail-content.ts'
import { type FolderPlace, foldersOf } from './poll.ts'
import { searchUids } from './read-mails.ts'
import { findSentFolder } from './sent-folder.ts'
import { accountOf } from './settings.ts'
import { SmtpFailure, withSmtp } from './smtp.ts'

const ARRIVAL_MS = 10_000
const LOOK_AGAIN_MS = 500

/**
 * Logs in to both servers. The account is its address; from where its folders end now, mail is read.
 * @throws ChannelAuthError, NetworkUnavailable
 */
export async function identify(channel: ConnectedChannel, context: ConnectorContext): Promise<Identity> {
  const account = accountOf(channel)
  const folders = await withImap(channel, context, async client => {
    const places: FolderPlace[] = []
    for (const { path } of await foldersOf(client, account)) {
      const { uidValidity, uidNext } = await openFolder(client, path)
      places.push({ path, uid_validity: String(uidValidity), last_uid: String(uidNext - 1) })
    }
    return places
  })
  const smtp_max_bytes = await withSmtp(channel, context, async ({ maxBytes }) => maxBytes).catch(error => {
    throw inWords(error)
  })
  return { external_id: account.settings.address, network_facts: { folders, smtp_max_bytes } }
}

/** Tries what the channel needs, one thing after another; each says by itself what is wrong. */
export async function check(channel: ConnectedChannel, context: ConnectorContext): Promise<ChannelCheck[]> {
  const { settings } = accountOf(channel)
  const checks: ChannelCheck[] = []
  const attempt = async (name: string, run: () => Promise<Omit<ChannelCheck, 'name'>>) => {
    const result = await run().catch(error => ({ ok: false, detail: inWords(error).message }))
    checks.push({ name, ...result })
    return result.ok
  }
  const reads = await attempt('imap_login', () =>
    withImap(channel, context, async () => ({ ok: true, detail: `${settings.imap.host} lets us in.` })),
  )
  if (reads) {
    for (const path of settings.folders) {
      await attempt('folder', () =>
        withImap(channel, context, async client => {
          const { exists } = await openFolder(client, path)
          return { ok: true, detail: `${path} can be read; it has ${exists} mails.` }
        }),
      )
    }
    await attempt('sent_folder', () =>
      withImap(channel, context, async client => {
        const path = await findSentFolder(client, settings)
        if (path) await openFolder(client, path)
        const missing = 'The mailbox has no Sent folder: name it in sent_folder, or set save_sent to never.'
        return path
          ? { ok: true, detail: `What is sent stands in ${path}.` }
          : { ok: settings.save_sent === 'never', detail: missing }
      }),
    )
  }
  const writes = await attempt('smtp_login', () =>
    withSmtp(channel, context, async () => ({ ok: true, detail: `${settings.smtp.host} lets us in.` })),
  )
  if (reads && writes && settings.recipient_delimiter)
    await attempt('plus_address', () => probePlusAddress(channel, context))
  return checks
}

/** Sends a mail to an address with a detail, looks for it in the mailbox and removes it. */
async function probePlusAddress(
  channel: ConnectedChannel,
  context: ConnectorContext,
): Promise<Omit<ChannelCheck, 'name'>> {
  const { settings } = accountOf(channel)
  const { address, display_name } = settings
  const token = `check-${randomBytes(8).toString('hex')}`
  const to = withDetail(address, token)
  const message_id = `${token}.parley@${address.split('@')[1]}`
  const raw = await composeMail({
    message_id,
    from: { address, name: display_name },
    to: [{ address: to, name: '' }],
    cc: [],
    reply_to: null,
    subject: 'Parley checks this mailbox',
    in_reply_to: null,
    references: null,
    date: context.now(),
    text: 'This e-mail shows that addresses with a detail arrive here. It may be deleted.',
    files: [],
    headers: { 'Auto-Submitted': 'auto-generated' },
  })
  const { refused } = await withSmtp(channel, context, smtp => smtp.send({ from: address, to: [to] }, raw))
  if (refused[0]) return { ok: false, detail: `Mail to ${to} is refused: ${refused[0].text}` }
  return withImap(channel, context, async client => {
    const end = context.now().getTime() + ARRIVAL_MS
    for (;;) {
      for (const path of settings.folders) {
        await client.mailboxOpen(path)
        const found = await searchUids(client, { header: { 'message-id': message_id } })
        if (found.length === 0) continue
        await client.messageDelete(found.join(','), { uid: true })
        return { ok: true, detail: `Mail to ${to} arrives.` }
      }
      if (context.now().getTime() >= end) break
      await delay(LOOK_AGAIN_MS, undefined, { signal: context.signal })
    }
    return {
      ok: false,
      detail: `Mail to ${to} was taken and did not arrive within ${ARRIVAL_MS / 1000} s: answers may not come back by it.`,
    }
  })
}

function inWords(error: unknown): Error {
  if (!(error instanceof SmtpFailure)) return error instanceof Error ? error : new Error(String(error))
  const { code, status, message } = error
  if (code === 'EAUTH' && status !== undefined && status >= 500)
    return new ChannelAuthError(`The SMTP server refused the login (${message}).`)
  return new NetworkUnavailable(`The SMTP server cannot be used (${message}).`, null, { cause: error })
}
