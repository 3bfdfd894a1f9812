import { listPostMessagesByIds, readStorm, type Trx } from '@parley/db'

const LOOKED_AT = 20_000
const GROUPS = 20
const SAMPLES = 20

/**
 * What the newest messages of a post have in common: when they came, which say the same, how many people wrote them, what
 * triage found in them, and a sample. The same seed picks the same sample, as long as nothing comes.
 */
export async function readPostStorm(trx: Trx, post_id: string, seed: number) {
  const storm = await readStorm(trx, post_id, { most: LOOKED_AT, groups: GROUPS, samples: SAMPLES, seed })
  const ids = [...storm.groups.flatMap(({ message_ids }) => message_ids), ...storm.sample]
  const messages = await listPostMessagesByIds(trx, [...new Set(ids)])
  const shown = (ids: string[]) => ids.flatMap(id => messages.get(id) ?? [])
  return {
    ...storm,
    buckets: storm.buckets.map(({ at, count }) => ({ at: new Date(at), count })),
    groups: storm.groups.map(({ message_ids, newest_at, ...group }) => ({
      ...group,
      newest_at: new Date(newest_at),
      messages: shown(message_ids),
    })),
    sample: shown(storm.sample),
  }
}
