import type pg from 'pg'
import { uuidOf } from './made-ids.ts'
import type { Place } from './planned-messages.ts'

const PEOPLE = 20
/** Of these conversations each, but the first, which has every hundredth. */
const POST_SIZE = 50

/** What conversations are filtered by, as SQL over a conversation's number. What is open is nobody's. */
export const FACETS = {
  assignee_id: `case when n % 20 > 0 and n % 10 < 9 then ${uuidOf(4, `1 + n % ${PEOPLE}`)} end`,
  team_id: `case when n % 10000 = 20 then ${uuidOf(6, '2')} when n % 10 = 1 then ${uuidOf(6, '1')} end`,
  priority: "case when n % 40 = 0 then 'urgent' when n % 9 = 0 then 'high' else 'normal' end",
  language: "case when n % 10000 = 7 then 'pt-BR' when n % 10 = 9 then null when n % 3 = 0 then 'de' else 'en' end",
  language_source: "case when n % 10 <> 9 or n % 10000 = 7 then 'detected' end",
  post_id: `case when n % 100 = 13 then ${uuidOf(7, '1')} else ${uuidOf(7, `2 + n / ${POST_SIZE}`)} end`,
}

/** Who and what the facets of so many conversations name, and what hangs on them. */
export async function fillFacets(
  client: pg.Client,
  { workspace_id, channel_id }: Pick<Place, 'workspace_id' | 'channel_id'>,
  count: number,
  now: string,
): Promise<void> {
  const workspace = `'${workspace_id}'::uuid`
  const conversations = (where: string) => `from generate_series(1, ${count}) n where ${where}`
  const admin = `(select id from users where workspace_id = ${workspace} and role = 'admin' limit 1)`
  const tagged = (tag: number, where: string) =>
    `select ${workspace}, ${uuidOf(2, 'n')}, ${uuidOf(5, `${tag}`)}, 'system', ${now} ${conversations(where)}`
  const valued = (value: string, where: string) =>
    `select ${workspace}, ${uuidOf(2, 'n')}, 'tier', '${value}' ${conversations(where)}`
  const statements = [
    `insert into users (workspace_id, id, name, role, created_at)
     select ${workspace}, ${uuidOf(4, 'n')}, 'Agent ' || n, 'agent', ${now} from generate_series(1, ${PEOPLE}) n`,
    `insert into teams (workspace_id, id, name, created_at)
     select ${workspace}, ${uuidOf(6, 'n')}, 'Team ' || n, ${now} from generate_series(1, 2) n`,
    `insert into posts (workspace_id, id, channel_id, external_id, kind, first_seen_at, last_message_at)
     select ${workspace}, ${uuidOf(7, 'n')}, '${channel_id}', 'post-' || n, 'own', ${now}, ${now}
     from generate_series(1, ${2 + Math.floor(count / POST_SIZE)}) n`,
    `insert into tags (workspace_id, id, name, name_key, created_at)
     select ${workspace}, ${uuidOf(5, 'n')}, name, name, ${now} from unnest('{late,lost}'::text[]) with ordinality t (name, n)`,
    `insert into conversation_tags (workspace_id, conversation_id, tag_id, tagged_by_type, tagged_at)
     ${tagged(1, 'n % 100 = 5')} union all ${tagged(2, 'n % 10000 = 5')}`,
    `insert into attributes (workspace_id, id, applies_to, key, label, type, options, created_at, updated_at)
     values (${workspace}, ${uuidOf(8, '1')}, 'conversation', 'tier', 'Tier', 'select', '{gold,platinum}', ${now}, ${now})`,
    `insert into conversation_attributes (workspace_id, conversation_id, key, value_key)
     ${valued('gold', 'n % 100 = 6')} union all ${valued('platinum', 'n % 10000 = 7')}`,
    `update conversations c set attributes = json_build_object('tier', a.value_key)
     from conversation_attributes a where a.workspace_id = c.workspace_id and a.conversation_id = c.id`,
    `insert into conversation_watchers (workspace_id, conversation_id, user_id, reason, watched_at)
     select ${workspace}, ${uuidOf(2, 'n')}, ${admin}, 'by_hand', ${now} ${conversations('n % 10000 = 8')}`,
    `insert into note_mentions (workspace_id, message_id, user_id, conversation_id, mentioned_at)
     select ${workspace}, ${uuidOf(3, 'n')}, ${admin}, ${uuidOf(2, 'n')}, ${now} ${conversations('n % 10000 = 9')}`,
    `insert into conversation_reads (workspace_id, user_id, conversation_id, read_at)
     select ${workspace}, ${admin}, ${uuidOf(2, 'n')}, ${now} ${conversations(`n > ${count - Math.floor(count / 10)}`)}`,
  ]
  for (const statement of statements) await client.query(statement)
}
