/**
 * System calls that come before the first byte of a request. The code alone would not do: an established connection
 * can end with EHOSTUNREACH too, after the receiver has read the reply.
 */
const BEFORE_SENDING = new Set<unknown>(['connect', 'getaddrinfo'])
/** A certificate is refused before the request is written. */
const UNTRUSTED =
  /^(CERT_.*|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(GET|VERIFY)_.*|ERR_TLS_CERT_ALTNAME_INVALID)$/

/** The code of what `fetch` threw, when it proves that the receiver has seen nothing; undefined when it may have. */
export function neverSent(error: unknown): string | undefined {
  return codeBeforeSending(error instanceof Error && error.cause ? error.cause : error)
}

function codeBeforeSending(error: unknown): string | undefined {
  // One error per address that was tried.
  if (error instanceof AggregateError && error.errors.length > 0) {
    const codes = error.errors.map(codeBeforeSending)
    return codes.includes(undefined) ? undefined : codes[0]
  }
  const { code, syscall } = error as { code?: unknown; syscall?: unknown }
  if (typeof code !== 'string') return undefined
  const proof = BEFORE_SENDING.has(syscall) || code === 'UND_ERR_CONNECT_TIMEOUT' || UNTRUSTED.test(code)
  return proof ? code : undefined
}
