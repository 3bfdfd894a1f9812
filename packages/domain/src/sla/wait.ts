/**
 * When a customer's wait begins: the network's time of their message, clamped into
 * [channel connected, received]. A stamp from the future becomes the time of receipt; nobody waits on a channel that
 * was not connected yet.
 */
export function clockTime(occurred_at: Date, received_at: Date, channel_connected_at: Date): Date {
  if (occurred_at >= received_at) return received_at
  if (occurred_at >= channel_connected_at) return occurred_at
  return channel_connected_at < received_at ? channel_connected_at : received_at
}
