import { type Logger, pino } from 'pino'
import type { Config } from './env.ts'

export type { Logger }

/**
 * JSON lines on standard output. An error is logged by name, message and stack alone:
 * drivers hang connection strings and request headers on their error objects.
 */
export function createLogger(level: Config['LOG_LEVEL'], service: string): Logger {
  return pino({
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: describeError, error: describeError },
    hooks: {
      logMethod(args, method) {
        const [first, ...rest] = args as [unknown, ...unknown[]]
        const fields = first instanceof Error ? { err: first } : first
        // Without a message of ours, pino takes the error's own as it stands.
        if (rest.length === 0) rest.push(messageOf(fields))
        const cleaned = [fields, ...rest].map(arg => (typeof arg === 'string' ? withoutSecrets(arg) : arg))
        method.apply(this, cleaned as typeof args)
      },
    },
  })
}

function messageOf(fields: unknown): string | undefined {
  const { err } = (fields ?? {}) as { err?: unknown }
  return err instanceof Error ? err.message : undefined
}

function describeError(error: unknown) {
  if (!(error instanceof Error)) return { message: typeof error === 'string' ? withoutSecrets(error) : typeof error }
  const { code } = error as { code?: unknown }
  return {
    type: error.name,
    message: withoutSecrets(String(error.message)),
    code: typeof code === 'string' || typeof code === 'number' ? code : undefined,
    stack: withoutSecrets(String(error.stack)),
  }
}

function withoutSecrets(text: string): string {
  return text
    .replace(/\S+/g, withoutDsnPassword)
    .replace(/([?&](?:ssl)?password=)[^\s&]+/gi, '$1[redacted]')
    .replace(/\bBearer [\x21-\x7e]+/gi, 'Bearer [redacted]')
    .replace(/parley_[A-Za-z0-9_-]{8,}/g, 'parley_[redacted]')
    .replace(/whsec_[A-Za-z0-9+/=]+/g, 'whsec_[redacted]')
}

/**
 * A DSN inside a driver's message carries its password. A password that should have been escaped may hold any
 * character, so what is hidden ends at the last @ before a space: rather too much than half of it. That @ is looked for
 * first, because one expression for the whole would look for it again from each place where a DSN could begin.
 */
function withoutDsnPassword(word: string): string {
  const end = word.lastIndexOf('@')
  const [before] = /^.*?\b\w{1,20}:\/\/[^:@/]*:/.exec(word.slice(0, Math.max(end, 0))) ?? []
  return before === undefined || before.length === end ? word : `${before}[redacted]${word.slice(end)}`
}
