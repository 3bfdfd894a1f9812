import type { Test } from 'tap'

/** Like tap's `match`, which takes any Date for any other: a pattern's Dates are compared by their time. */
export function has(t: Test, actual: unknown, pattern: unknown, message?: string): boolean {
  return t.match(actual, withTimes(pattern), ...(message ? [message] : []))
}

function withTimes(pattern: unknown): unknown {
  if (pattern instanceof Date) return pattern.toISOString()
  if (Array.isArray(pattern)) return pattern.map(withTimes)
  if (pattern === null || typeof pattern !== 'object' || pattern instanceof RegExp) return pattern
  return Object.fromEntries(Object.entries(pattern).map(([name, value]) => [name, withTimes(value)]))
}
