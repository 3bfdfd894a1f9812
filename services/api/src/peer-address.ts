import type { FastifyRequest } from 'fastify'
import ipaddr from 'ipaddr.js'

/**
 * Where a request comes from, as failures are counted: an IPv4 address, or the /64 of an IPv6 one, as a customer of a network
 * has all of that to choose from. What stands in front of this server is believed only where it is named as a proxy.
 */
export function peerAddress(request: FastifyRequest): string {
  // What a proxy passes on may be anything; the socket tells an address.
  const told = ipaddr.isValid(request.ip) ? request.ip : (request.socket.remoteAddress ?? '0.0.0.0')
  const address = ipaddr.process(told)
  return address.kind() === 'ipv6'
    ? `${address.toNormalizedString().split(':').slice(0, 4).join(':')}::/64`
    : address.toString()
}
