import type { ProposedDisposition, Sentiment } from '@parley/domain'
import { sql } from 'kysely'
import type { Trx } from '../database.ts'

export type StormOptions = {
  /** So many of the newest messages are looked at. */
  most: number
  groups: number
  samples: number
  seed: number
}

/** What triage found in how many of them. `judged`: it has looked at so many. */
export type StormTriage = {
  judged: number
  languages: { language: string | null; count: number }[]
  questions: number
  sentiments: Record<Sentiment, number>
  proposed_dispositions: Record<ProposedDisposition | 'none', number>
}

export type StormRow = {
  looked_at: number
  at_least: boolean
  people: number
  from: Date | null
  until: Date | null
  unit: 'minute' | 'hour' | 'day'
  buckets: { at: string; count: number }[]
  groups: { fingerprint: string; count: number; people: number; message_ids: string[]; newest_at: string }[]
  triage: StormTriage
  /** One message of each of as many slices of the same size, in the order of time. */
  sample: string[]
}

/**
 * What the newest messages of a post have in common: when they came, which say the same, what triage found in them, and one
 * of each slice of them.
 * Reads one index and never more than `most` of its entries; the same seed picks the same sample.
 */
export async function readStorm(
  trx: Trx,
  post_id: string,
  { most, groups, samples, seed }: StormOptions,
): Promise<StormRow> {
  const { rows } = await sql<StormRow>`
    with newest as materialized (
      select at, message_id, fingerprint, contact_id, language, question, sentiment, proposed_disposition
      from post_messages where post_id = ${post_id}
      order by at desc, message_id desc limit ${most + 1}),
    looked as materialized (select * from newest order by at desc, message_id desc limit ${most}),
    span as (
      select min(at) as since, max(at) as until, count(*)::int as looked_at, count(distinct contact_id)::int as people,
        case when max(at) - min(at) <= interval '3 hours' then 'minute'
          when max(at) - min(at) <= interval '7 days' then 'hour' else 'day' end as unit
      from looked),
    buckets as (
      select date_trunc(s.unit, l.at, 'UTC') as at, count(*)::int as count from looked l, span s
      group by 1 order by 1 desc limit 400),
    alike as (
      select fingerprint, count(*)::int as count, count(distinct contact_id)::int as people,
        (array_agg(message_id order by at desc, message_id desc))[1:3] as message_ids, max(at) as newest_at
      from looked group by fingerprint having count(*) > 1 order by 2 desc, 1 limit ${groups}),
    spoken as (select language, count(*)::int as count from looked where question is not null group by language),
    found as (
      select count(question)::int as judged, (count(*) filter (where question))::int as questions,
        json_build_object(
          'complaint', count(*) filter (where sentiment = 'complaint'),
          'praise', count(*) filter (where sentiment = 'praise'),
          'neutral', count(*) filter (where sentiment = 'neutral')) as sentiments,
        json_build_object(
          'acknowledged', count(*) filter (where proposed_disposition = 'acknowledged'),
          'no_reply_needed', count(*) filter (where proposed_disposition = 'no_reply_needed'),
          'none', count(*) filter (where question is not null and proposed_disposition is null)) as proposed_dispositions
      from looked),
    slices as (select message_id, at, ntile(${samples}) over (order by at, message_id) as slice from looked),
    picked as (
      select distinct on (slice) slice, message_id from slices
      order by slice, uuid_hash_extended(message_id, ${seed}), message_id)
    select s.looked_at, (select count(*) from newest) > ${most} as at_least, s.people, s.since as "from", s.until, s.unit,
      (select coalesce(json_agg(json_build_object('at', b.at, 'count', b.count) order by b.at), '[]') from buckets b) as buckets,
      (select coalesce(json_agg(to_json(a) order by a.count desc, a.fingerprint), '[]') from alike a) as groups,
      (select json_build_object('judged', f.judged, 'questions', f.questions, 'sentiments', f.sentiments,
          'proposed_dispositions', f.proposed_dispositions,
          'languages', (select coalesce(json_agg(to_json(l) order by l.count desc, l.language), '[]') from spoken l))
        from found f) as triage,
      (select coalesce(json_agg(message_id order by slice), '[]') from picked) as sample
    from span s`.execute(trx)
  return rows[0]!
}
