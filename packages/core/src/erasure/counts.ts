import { findErasure, type Trx, updateErasure } from '@parley/db'

/** Adds to what the receipt tells. */
export async function addCounts(trx: Trx, erasure_id: string, more: Record<string, number>): Promise<void> {
  const erasure = (await findErasure(trx, erasure_id))!
  await updateErasure(trx, erasure_id, { counts: JSON.stringify(summed(erasure.counts, more)) })
}

export function summed(counts: Record<string, number>, more: Record<string, number>): Record<string, number> {
  const sum = { ...counts }
  for (const [name, count] of Object.entries(more)) sum[name] = (sum[name] ?? 0) + count
  return sum
}
