import type { ConnectedChannel, ConnectorContext, FindSentOutcome, PreparedSend, SendOutcome } from '../connector.ts'
import { ChannelAuthError, NetworkUnavailable, TooLate } from '../errors.ts'
import { openFolder, withImap } from './imap.ts'
import { type PreparedMail, preparedMail } from './prepare.ts'
import { searchUids } from './read-mails.ts'
import { findSentFolder } from './sent-folder.ts'
import { accountOf } from './settings.ts'
import { type SmtpAnswer, SmtpFailure, withSmtp } from './smtp.ts'

/** Greylisting lets the same mail through after some minutes. */
const RETRY_MS = 5 * 60_000
/** The mail is out; its copy must not hold up that this is recorded. */
const COPY_TIMEOUT_MS = 6_000

/**
 * Hands the frozen mail to the mail server. What a server said before it had the mail, or said no to it with, is
 * certain; whatever was lost after that is `unknown`.
 * @throws ChannelAuthError when the login is refused: nothing was sent
 */
export async function send(
  channel: ConnectedChannel,
  prepared: PreparedSend,
  context: ConnectorContext,
): Promise<SendOutcome> {
  const mail = preparedMail.parse(prepared)
  const outcome = await handOver(channel, mail, context)
  if (outcome.outcome === 'sent') await keepCopy(channel, mail, context).catch(() => {})
  return outcome
}

async function handOver(
  channel: ConnectedChannel,
  mail: PreparedMail,
  context: ConnectorContext,
): Promise<SendOutcome> {
  try {
    const raw = Buffer.from(mail.raw, 'base64')
    const answer = await withSmtp(channel, context, smtp => smtp.send(mail.envelope, raw))
    return acceptedBy(answer, mail, context)
  } catch (error) {
    if (error instanceof TooLate || error instanceof ChannelAuthError) throw error
    if (error instanceof NetworkUnavailable) return retry(error.message, error.retry_at, context)
    if (!(error instanceof SmtpFailure)) throw error
    return refusedWith(error, context)
  }
}

function acceptedBy({ refused }: SmtpAnswer, mail: PreparedMail, context: ConnectorContext): SendOutcome {
  const { message_id, envelope, reply_context } = mail
  const first = refused.find(({ recipient }) => recipient.toLowerCase() === envelope.to[0]!.toLowerCase())
  // Whom the answer is for does not get it, and others have it: sending again would be a second mail to them.
  if (first)
    return {
      outcome: 'unknown',
      reason: `The server took the mail for others, and not for ${first.recipient}: ${first.text}`,
    }
  return { outcome: 'sent', external_id: message_id, accepted_at: context.now(), permalink: null, reply_context }
}

function refusedWith({ code, status, begun, message }: SmtpFailure, context: ConnectorContext): SendOutcome {
  if (code === 'EAUTH' && status !== undefined && status >= 500)
    throw new ChannelAuthError(`The SMTP server refused the login (${message}).`)
  if (status !== undefined && status >= 500) return { outcome: 'rejected', reason: message }
  if (status !== undefined && status >= 400) return { ...retry(message, null, context), scope: 'reply' }
  if (code === 'EMESSAGE' && !begun) return { outcome: 'rejected', reason: message }
  // Without an answer. Before the mail itself was on the wire, nothing can have been taken.
  return begun
    ? { outcome: 'unknown', reason: `The answer of the mail server was lost: ${message}` }
    : retry(message, null, context)
}

function retry(reason: string, retry_at: Date | null, context: ConnectorContext) {
  return { outcome: 'retry' as const, reason, retry_at: retry_at ?? new Date(context.now().getTime() + RETRY_MS) }
}

/** Puts the mail into the Sent folder, where people who use the mailbox look for it, unless it is there. */
async function keepCopy(channel: ConnectedChannel, mail: PreparedMail, context: ConnectorContext): Promise<void> {
  const { settings } = accountOf(channel)
  if (settings.save_sent !== 'append') return
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(COPY_TIMEOUT_MS)])
  await withImap(channel, { ...context, signal }, async client => {
    const path = await findSentFolder(client, settings)
    if (!path) return
    await openFolder(client, path)
    const found = await searchUids(client, { header: { 'message-id': `<${mail.message_id}>` } })
    if (found.length === 0) await client.append(path, Buffer.from(mail.raw, 'base64'), ['\\Seen'], context.now())
  })
}

/**
 * Looks for the mail in the Sent folder. Where the provider saves what it takes, a mail that is not there was not
 * taken; where we do, we may have ended before we did.
 */
export async function findSent(
  channel: ConnectedChannel,
  prepared: PreparedSend,
  context: ConnectorContext,
): Promise<FindSentOutcome> {
  const { message_id, reply_context } = preparedMail.parse(prepared)
  const { settings } = accountOf(channel)
  try {
    return await withImap(channel, context, async client => {
      const path = await findSentFolder(client, settings)
      if (!path) return { outcome: 'unknown', reason: 'The mailbox has no Sent folder to look in.' }
      await openFolder(client, path)
      const [uid] = await searchUids(client, { header: { 'message-id': `<${message_id}>` } })
      if (uid === undefined) {
        if (settings.save_sent === 'provider') return { outcome: 'not_found' }
        return {
          outcome: 'unknown',
          reason: 'It is not in the Sent folder, where only what is known to be sent is put.',
        }
      }
      const [found] = await client.fetchAll(String(uid), { internalDate: true }, { uid: true })
      const accepted_at = found?.internalDate ? new Date(found.internalDate) : context.now()
      return { outcome: 'sent', external_id: message_id, accepted_at, permalink: null, reply_context }
    })
  } catch (error) {
    if (error instanceof ChannelAuthError || error instanceof NetworkUnavailable)
      return { outcome: 'unknown', reason: error.message }
    throw error
  }
}
