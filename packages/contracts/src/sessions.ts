import { PASSWORD_LENGTH } from '@parley/domain'
import { z } from 'zod'
import { email, id, instantOut, name } from './common.ts'
import { userView } from './people.ts'

const MAX_TOKEN = 200

// Counted as it is kept: after NFKC, in code points.
const characters = (text: string) => [...text.normalize('NFKC')].length

const storablePassword = z
  .string()
  // Before anything is made of it: one character may become eighteen.
  .max(4 * PASSWORD_LENGTH.most)
  .refine(text => !text.includes('\u0000'), 'must not contain NUL')
  .refine(text => text.isWellFormed(), 'must not contain a lone surrogate')
  .refine(text => characters(text) <= PASSWORD_LENGTH.most, `must have at most ${PASSWORD_LENGTH.most} characters`)
  .meta({ type: 'string' })

/** One that is being chosen. */
export const newPassword = storablePassword
  .refine(text => characters(text) >= PASSWORD_LENGTH.least, `must have at least ${PASSWORD_LENGTH.least} characters`)
  .meta({ type: 'string', minLength: PASSWORD_LENGTH.least, maxLength: PASSWORD_LENGTH.most })

/** One that is being told: whether it is right, its hash says. */
export const presentPassword = storablePassword

const totpCode = z.string().regex(/^\d{6}$/, 'must be six digits')
const recoveryCode = z.string().min(1).max(40)
/** Of whatever shape: what was not made here opens nothing. */
export const linkToken = z.string().min(1).max(MAX_TOKEN)

export const signInBody = z.strictObject({
  email,
  password: presentPassword,
  /** The workspace's id or name, for whose address is known in several. */
  workspace: name.optional(),
  totp_code: totpCode.optional(),
  recovery_code: recoveryCode.optional(),
  /** Keeps the token in a cookie that scripts cannot read, and out of the answer: for browsers. */
  cookie: z.boolean().default(false),
})

export const sessionView = z
  .object({
    id,
    user_agent: z.string().nullable(),
    /** The one that asks. */
    current: z.boolean(),
    created_at: instantOut,
    last_seen_at: instantOut.meta({ description: 'To the minute.' }),
    expires_at: instantOut,
  })
  .meta({ id: 'Session' })

export const sessionList = z.object({ data: z.array(sessionView) })

export const signedInView = z
  .object({
    /** Shown here and never again; null when it is kept in a cookie. */
    token: z.string().nullable(),
    session: sessionView,
    workspace: z.object({ id, name: z.string() }),
    user: userView,
  })
  .meta({ id: 'SignedIn' })

export const passwordBody = z.strictObject({ password: presentPassword, new_password: newPassword })

/** What asks for the password once more. */
export const proofBody = z.strictObject({ password: presentPassword })

export const enrolmentView = z
  .object({
    /** For apps that take it by hand; base32. */
    secret: z.string(),
    /** For apps that take it as a QR code of this address. */
    otpauth_url: z.string(),
  })
  .meta({ id: 'Enrolment' })

export const confirmTotpBody = z.strictObject({ code: totpCode })
/** Shown here and never again; each opens once. */
export const recoveryCodesView = z.object({ recovery_codes: z.array(z.string()) }).meta({ id: 'RecoveryCodes' })
export const secondFactorView = z
  .object({ enabled_at: instantOut.nullable(), recovery_codes_left: z.int() })
  .meta({ id: 'SecondFactor' })
