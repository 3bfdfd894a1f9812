import { isStorable } from '../text/storable.ts'

/** RFC 5321 §4.5.3.1.3, without the brackets. */
export const ADDRESS_LIMIT = 254

/**
 * An address for comparing. Domains have no case; local parts may by RFC 5321 §2.4, and no provider gives two people
 * addresses that differ in nothing else.
 */
export function normaliseAddress(address: string): string {
  return address.trim().toLowerCase()
}

/** The address if it can be one: something before and after an `@`, in one line and within the limits. */
export function usableAddress(address: string | undefined): string | undefined {
  const trimmed = address?.trim() ?? ''
  if (trimmed.length > ADDRESS_LIMIT || !isStorable(trimmed)) return undefined
  return /^[^\s@<>,;:"()\p{Cc}]+@[^\s@<>,;:"()\p{Cc}]+$/u.test(trimmed) ? trimmed : undefined
}

const partsOf = (address: string) => {
  const at = address.lastIndexOf('@')
  return { local: address.slice(0, at), domain: address.slice(at + 1) }
}

export const domainOf = (address: string) => partsOf(address).domain

/** `support@brand` with a detail: `support+detail@brand`. */
export function withDetail(address: string, detail: string): string {
  const { local, domain } = partsOf(address)
  return `${local}+${detail}@${domain}`
}

/** The detail of an address when it is one of ours with a detail; undefined otherwise. */
export function detailOf(address: string, ours: string[]): string | undefined {
  const { local, domain } = partsOf(normaliseAddress(address))
  const plus = local.indexOf('+')
  if (plus < 1 || !ours.includes(`${local.slice(0, plus)}@${domain}`)) return undefined
  return local.slice(plus + 1)
}

/** True for our addresses, with and without a detail. */
export function isOurs(address: string, ours: string[]): boolean {
  return ours.includes(normaliseAddress(address)) || detailOf(address, ours) !== undefined
}

// Nobody reads what is sent there.
const UNREAD = /^(?:no|do-?not|donot)[-_.]?reply(?:[-+_.].*)?@|^(?:mailer-daemon|bounces?)(?:[-+].*)?@/

export const isUnread = (address: string) => UNREAD.test(normaliseAddress(address))
