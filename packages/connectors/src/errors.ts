/** The network no longer lets us in: only a person can repair the channel, so retrying is useless. */
export class ChannelAuthError extends Error {
  override name = 'ChannelAuthError'
  readonly code = 'channel_auth_failed'
}

/** The reply cannot be sent as it stands; `message` is for the agent who wrote it. */
export class SendRefused extends Error {
  override name = 'SendRefused'
  readonly code = 'send_refused'
}

/** A call got no usable answer: no connection, an outage, a limit. Reads are repeated, not before `retry_at`. */
export class NetworkUnavailable extends Error {
  override name = 'NetworkUnavailable'
  readonly code: string = 'network_unavailable'
  readonly retry_at: Date | null

  constructor(message: string, retry_at: Date | null, options?: ErrorOptions) {
    super(message, options)
    this.retry_at = retry_at
  }
}

/** The sender of a webhook could not be believed; nothing of the body was read. */
export class InvalidSignature extends Error {
  override name = 'InvalidSignature'
}

/** The payload is not of the shape its network documents; the message says which part. */
export class MalformedPayload extends Error {
  override name = 'MalformedPayload'
}

/** The worker slept until its right to write had run out; it wrote nothing. */
export class TooLate extends Error {
  override name = 'TooLate'
}
