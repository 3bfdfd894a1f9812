import { NetworkUnavailable } from '../errors.ts'

/** An XRPC call that got no usable answer. */
export class XrpcFailure extends NetworkUnavailable {
  override name = 'XrpcFailure'
  readonly nsid: string
  /** HTTP status; null when no answer came at all. */
  readonly status: number | null

  constructor(nsid: string, detail: string, status: number | null, retry_at: Date | null, options?: ErrorOptions) {
    super(`${nsid}: ${detail}`, retry_at, options)
    this.nsid = nsid
    this.status = status
  }
}
