import { Readable } from 'node:stream'
import SMTPConnection, { type SMTPConnectionCustomAuthContext } from 'nodemailer/lib/smtp-connection'
import type { ConnectedChannel, ConnectorContext } from '../connector.ts'
import { TooLate } from '../errors.ts'
import { accessToken } from './access-token.ts'
import { domainOf } from './addresses.ts'
import { assertNotAborted, targetOf } from './connect.ts'
import { accountOf } from './settings.ts'

const CONNECT_TIMEOUT_MS = 8_000
/** The answer to a whole mail may take servers long that scan it first. */
const SILENCE_TIMEOUT_MS = 20_000

export type MailEnvelope = { from: string; to: string[] }
export type SmtpAnswer = { response: string; refused: { recipient: string; code: number | undefined; text: string }[] }

/** What went wrong, and whether the server may have the mail all the same. */
export class SmtpFailure extends Error {
  override name = 'SmtpFailure'
  readonly code: string | undefined
  /** What the server said, where it said something. */
  readonly status: number | undefined
  /** True once bytes of the mail itself had left. */
  readonly begun: boolean

  constructor(
    message: string,
    { code, status, begun }: { code?: string | undefined; status?: number | undefined; begun: boolean },
    cause: unknown,
  ) {
    super(message, { cause })
    this.code = code
    this.status = status
    this.begun = begun
  }
}

// nodemailer replaces a method called XOAUTH2 by PLAIN where it is not to fetch the tokens itself.
const BEARER = 'BEARER'

type Secret = { user: string; pass: string; is_token: boolean }

export type OpenSmtp = {
  /** The largest mail it takes, where it says so (RFC 1870). */
  maxBytes: number | null
  send: (envelope: MailEnvelope, raw: Buffer) => Promise<SmtpAnswer>
}

/**
 * Works with the mail server over a connection of its own, logged in.
 * @throws SmtpFailure, TooLate, and what finding the server or a token throws
 */
export async function withSmtp<T>(
  channel: ConnectedChannel,
  context: ConnectorContext,
  work: (smtp: OpenSmtp) => Promise<T>,
): Promise<T> {
  const { settings, login } = accountOf(channel)
  const target = await targetOf('SMTP', settings.smtp, context)
  const attempt = async (secret: Secret) => {
    const connection = new SMTPConnection({
      host: target.host,
      port: target.port,
      secure: target.secure,
      requireTLS: target.must_encrypt && !target.secure,
      servername: target.servername,
      name: domainOf(settings.address),
      connectionTimeout: CONNECT_TIMEOUT_MS,
      greetingTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: SILENCE_TIMEOUT_MS,
      ...(secret.is_token ? { customAuth: { [BEARER]: bearer(secret) } } : {}),
    })
    const abort = () => connection.close()
    context.signal.addEventListener('abort', abort, { once: true })
    try {
      const result = await session(connection, secret, context, work)
      connection.quit()
      return result
    } catch (error) {
      connection.close()
      throw error
    } finally {
      context.signal.removeEventListener('abort', abort)
    }
  }
  if ('password' in login) {
    return attempt({
      user: login.smtp_user ?? login.user,
      pass: login.smtp_password ?? login.password,
      is_token: false,
    })
  }
  const token = await accessToken(channel, login, context)
  try {
    return await attempt({ user: login.user, pass: token, is_token: true })
  } catch (error) {
    if (!(error instanceof SmtpFailure && error.code === 'EAUTH')) throw error
    return attempt({ user: login.user, pass: await accessToken(channel, login, context, token), is_token: true })
  }
}

async function session<T>(
  connection: SMTPConnection,
  { user, pass, is_token }: Secret,
  context: ConnectorContext,
  work: (smtp: OpenSmtp) => Promise<T>,
): Promise<T> {
  let begun = false
  let late: TooLate | undefined
  /** Ends at the first of: the callback, an error of the connection. */
  const step = <R>(run: (done: (error?: Error | null, result?: R) => void) => void) =>
    new Promise<R | undefined>((resolve, reject) => {
      const fail = (error: Error) => reject(late ?? failureOf(error, begun))
      connection.once('error', fail)
      connection.once('end', () => fail(new Error('The connection was lost')))
      run((error, result) => {
        connection.removeListener('error', fail)
        if (error) fail(error)
        else resolve(result)
      })
    })
  // What comes when nobody waits any more.
  connection.on('error', () => {})
  assertNotAborted(context)
  await step(done => connection.connect(error => done(error ?? null)))
  const greeting = connection.lastServerResponse || ''
  const maxBytes = Number(/^250[ -]SIZE (\d+)/im.exec(greeting)?.[1]) || null
  const auth = { user, pass, credentials: { user, pass }, ...(is_token ? { method: BEARER } : {}) }
  await step(done => connection.login(auth, error => done(error)))
  return work({
    maxBytes,
    send: async (envelope, raw) => {
      const message = Readable.from(
        (async function* () {
          // DATA has been answered: this is the last moment at which nothing is sent.
          context.assertInTime()
          begun = true
          yield raw
        })(),
        { objectMode: false },
      )
      message.once('error', error => {
        if (error instanceof TooLate) late = error
        connection.close()
      })
      const info = await step<{ response?: string; rejectedErrors?: unknown[] }>(done =>
        connection.send({ ...envelope, size: raw.length }, message, (error, result) =>
          done(error, result as { response?: string }),
        ),
      )
      return { response: info?.response ?? '', refused: (info?.rejectedErrors ?? []).map(refusalOf) }
    },
  })
}

/** XOAUTH2, as Google and Microsoft document it: nodemailer's own would fetch tokens by itself. */
function bearer({ user, pass }: Secret) {
  return async (handler: SMTPConnectionCustomAuthContext) => {
    const line = Buffer.from(`user=${user}\u0001auth=Bearer ${pass}\u0001\u0001`).toString('base64')
    const answer = await handler.sendCommand(`AUTH XOAUTH2 ${line}`)
    if (answer.status === 235) return handler.resolve()
    // A refusal comes as a challenge, and the reason after an empty answer to it.
    const refusal = answer.status === 334 ? await handler.sendCommand('') : answer
    handler.reject(Object.assign(new Error(refusal.response), { code: 'EAUTH', responseCode: refusal.status }))
  }
}

function failureOf(error: Error, begun: boolean): SmtpFailure {
  const { code, responseCode, response } = error as { code?: string; responseCode?: number; response?: string }
  return new SmtpFailure(oneLine(response ?? error.message), { code, status: responseCode, begun }, error)
}

function refusalOf(error: unknown): SmtpAnswer['refused'][number] {
  const { recipient, responseCode, response, message } = error as {
    recipient?: string
    responseCode?: number
    response?: string
    message?: string
  }
  return { recipient: recipient ?? '', code: responseCode, text: oneLine(response ?? message ?? '') }
}

const oneLine = (text: string) => text.replace(/\p{Cc}+/gu, ' ').slice(0, 400)
