import { z } from 'zod'

export const QUEUE_NAMES = ['ingest', 'poll', 'send', 'attachments', 'batches', 'sla', 'feed', 'housekeeping'] as const

// A driver that cannot read its URL says so with the whole URL in its words, password and all.
const readable = (text: string) => URL.canParse(text)
const UNREADABLE = 'must be a URL; special characters in its password are written as %40 and so on'
const databaseUrl = z
  .string()
  .regex(/^postgres(ql)?:\/\//, { message: 'must begin with postgres:// or postgresql://', abort: true })
  .refine(readable, UNREADABLE)
const redisUrl = z
  .string()
  .regex(/^rediss?:\/\//, { message: 'must begin with redis:// or rediss://', abort: true })
  .refine(readable, UNREADABLE)
const wholeNumber = (max: number) =>
  z
    .string()
    .regex(/^\d{1,6}$/, 'must be a whole number')
    .transform(Number)
    .refine(value => value <= max, `must be at most ${max}`)
const bytes = z
  .string()
  .regex(/^[1-9]\d{0,9}$/, 'must be a whole number of bytes')
  .transform(Number)
const commaSeparated = z.string().transform(text =>
  text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== ''),
)
const cidr = z.union([z.cidrv4(), z.cidrv6()], 'must be CIDR blocks separated by commas, such as 10.0.0.0/8')

/** 32 bytes as base64: the key that seals channel credentials and signs cursors. */
const secretKey = z
  .string()
  .regex(/^[A-Za-z0-9+/]{43}=$/, 'must be 32 random bytes in base64; make one with: openssl rand -base64 32')
  .transform(text => Buffer.from(text, 'base64'))

/** An API key as Parley writes them: `parley_` and 43 base64url characters (32 random bytes). */
const adminKey = z
  .string()
  .regex(/^parley_[A-Za-z0-9_-]{43}$/, 'must be parley_ followed by 43 letters, digits, - or _ (32 bytes in base64url)')

const environment = z.object({
  PORT: wholeNumber(65_535).default(8080),
  HOST: z.string().min(1).default('127.0.0.1'),
  DATABASE_URL: databaseUrl.optional(),
  DATABASE_DIRECT_URL: databaseUrl.optional(),
  DATABASE_REPLICA_URL: databaseUrl.optional(),
  REDIS_URL: redisUrl.optional(),
  PARLEY_SECRET_KEY: secretKey.optional(),
  PARLEY_DATA_DIR: z.string().min(1).default('.parley'),
  PARLEY_ADMIN_KEY: adminKey.optional(),
  PARLEY_ALLOW_PRIVATE_TARGETS: commaSeparated.pipe(z.array(cidr)).default([]),
  PARLEY_TRUSTED_PROXIES: commaSeparated.pipe(z.array(cidr)).default([]),
  PARLEY_LEDGER_DAYS: wholeNumber(3_650)
    .refine(days => days >= 1, 'must be at least 1')
    .default(30),
  PARLEY_MAX_ATTACHMENT_BYTES: bytes
    .refine(value => value <= 1024 ** 3, `must be at most ${1024 ** 3}`)
    .default(25 * 1024 ** 2),
  PARLEY_BLOB_DIR: z.string().min(1).optional(),
  PARLEY_S3_BUCKET: z.string().min(3).max(63).optional(),
  PARLEY_S3_ENDPOINT: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).optional(),
  PARLEY_S3_REGION: z.string().min(1).default('us-east-1'),
  PARLEY_S3_ACCESS_KEY_ID: z.string().min(1).optional(),
  PARLEY_S3_SECRET_ACCESS_KEY: z.string().min(1).optional(),
  PARLEY_WORKER_METRICS_PORT: wholeNumber(65_535).optional(),
  WORKER_QUEUES: commaSeparated.pipe(z.array(z.enum(QUEUE_NAMES)).min(1)).default([...QUEUE_NAMES]),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
})

export type Config = z.infer<typeof environment>
type Optional = 'DATABASE_URL' | 'REDIS_URL' | 'PARLEY_SECRET_KEY' | 'PARLEY_ADMIN_KEY'

/** The environment cannot be used. The message names each variable and what it must be, and prints no value. */
export class ConfigError extends Error {
  override name = 'ConfigError'
}

/**
 * Reads the whole environment once. An empty variable counts as absent, so that `X= npm start` unsets it.
 * @param required variables that this process cannot run without
 * @throws ConfigError
 */
export function readConfig<R extends Optional = never>(
  env: Record<string, string | undefined>,
  required: readonly R[] = [],
): Config & { [K in R]-?: NonNullable<Config[K]> } {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''))
  const parsed = environment.safeParse(given)
  const problems = parsed.success
    ? required.filter(name => parsed.data[name] === undefined).map(name => `${name} is not set`)
    : parsed.error.issues.map(issue => `${String(issue.path[0])} ${issue.message}`)
  if (!parsed.success || problems.length > 0) {
    throw new ConfigError(`The environment cannot be used:\n${problems.map(line => `  ${line}`).join('\n')}`)
  }
  return parsed.data as Config & { [K in R]-?: NonNullable<Config[K]> }
}
