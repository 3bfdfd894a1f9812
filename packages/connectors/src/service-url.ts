const LOOPBACK_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]'])

/**
 * True for the address of a server without a path. Clear text is for a server on this machine only, and the egress rules
 * refuse those unless told otherwise.
 */
export function isServiceUrl(value: string): boolean {
  const url = URL.canParse(value) ? new URL(value) : null
  if (!url || url.username || url.password || url.search || url.hash || url.pathname !== '/') return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK_HOSTS.has(url.hostname))
}
