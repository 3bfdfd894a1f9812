import {
  advanceSelfCheck,
  type Difference,
  holdSelfCheck,
  insertDifferences,
  insertSelfCheck,
  newId,
  type SelfCheck,
  type Trx,
} from '@parley/db'
import { type CheckedClocks, checkClocks } from './check-clocks.ts'
import { drawSample } from './draw-sample.ts'

export const SELF_CHECK_EVERY_MS = 24 * 3600 * 1000
/** Whoever says nothing of a check for so long has died, and another worker goes on with it. */
const HELD_MS = 60_000
/** Read in one snapshot, which is short. */
const BATCH = 20

const heldUntil = (now: Date) => new Date(now.getTime() + HELD_MS)

/**
 * Begins the check of a day, or goes on with one whose worker has died; undefined where there is nothing to do, or another
 * worker does it.
 */
export async function beginSelfCheck(trx: Trx, now: Date, random: () => number): Promise<SelfCheck | undefined> {
  const held_until = heldUntil(now)
  const abandoned = await holdSelfCheck(trx, now, held_until)
  if (abandoned) return abandoned
  const before = new Date(now.getTime() - SELF_CHECK_EVERY_MS)
  const remaining = await drawSample(trx, now, random)
  return insertSelfCheck(trx, { remaining, before, now, held_until })
}

/** Compares the clocks of the next conversations of a check. Reads only; the caller has opened one snapshot for it. */
export async function checkNextClocks(trx: Trx, check: SelfCheck, now: Date): Promise<CheckedClocks[]> {
  const checked = []
  for (const id of check.remaining.slice(0, BATCH)) checked.push(await checkClocks(trx, id, now))
  return checked
}

/**
 * Keeps what was found, and how far the check has come. Returns the check as it is then, and what it had not found before;
 * undefined where another worker has taken it over.
 */
export async function recordSelfCheck(
  trx: Trx,
  check: SelfCheck,
  checked: CheckedClocks[],
  now: Date,
): Promise<{ check: SelfCheck; found: Difference[] } | undefined> {
  const done = {
    conversations: checked.length,
    clocks: checked.reduce((sum, { clocks }) => sum + (clocks ?? 0), 0),
    skipped: checked.filter(({ clocks }) => clocks === null).length,
  }
  const advanced = await advanceSelfCheck(trx, check, done, { held_until: heldUntil(now), now })
  if (!advanced) return undefined
  const found = checked.flatMap(({ differences }) => differences)
  const rows = found.map(({ stored, recomputed, ...difference }) => ({
    ...{ id: newId(now), check_started_at: check.started_at, found_at: now },
    ...difference,
    ...{ stored: inJson(stored), recomputed: inJson(recomputed) },
  }))
  return { check: advanced, found: await insertDifferences(trx, rows) }
}

const inJson = (value: unknown) => JSON.parse(JSON.stringify(value ?? null))
