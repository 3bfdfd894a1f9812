import { appendEvents, listDismissalReasons, setDismissalReasons, type Trx } from '@parley/db'
import type { Actor } from '@parley/domain'

/** Says what may be said of messages that are dismissed, so that reports can tell it apart. None: anything. */
export async function changeDismissalReasons(
  trx: Trx,
  reasons: string[],
  actor: Actor,
  now: Date,
): Promise<{ reasons: string[] }> {
  const before = await listDismissalReasons(trx)
  if (before.length === reasons.length && before.every((reason, index) => reason === reasons[index])) return { reasons }
  await setDismissalReasons(trx, reasons)
  const data = { dismissal_reasons: reasons }
  await appendEvents(trx, [
    { type: 'workspace.updated', at: now, actor, data, previous: { dismissal_reasons: before } },
  ])
  return { reasons }
}
