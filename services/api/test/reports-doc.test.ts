import { readFileSync } from 'node:fs'
import { COVERAGE, REPORTS } from '@parley/domain'
import t from 'tap'
import { follow } from './doc-examples.ts'
import { addChannel, testApi } from './helper.ts'
import { openWeek } from './report-week.ts'

const page = readFileSync(new URL('../../../docs/reports.md', import.meta.url), 'utf8')

t.test('the requests of the page about reports are answered as it says', async t => {
  const api = await testApi(t)
  api.clock.now = new Date('2026-03-02T08:00:00Z')
  const channel = await addChannel(api)
  const week = openWeek(api)
  const said = (thread: string) => week.say({ channel, thread, by: 'ana', at: new Date('2026-03-02T09:00:00Z') })
  const thanks = await said('t-1')
  await said('t-2')
  const third = await said('t-3')
  await week.dismiss(thanks.ids, 'Only thanks', new Date('2026-03-02T09:10:00Z'))
  await week.answer(third.conversation_id, 'Ben', new Date('2026-03-02T09:30:00Z'), 'It arrives today.')
  await week.count()
  const answers = await follow(t, api, page, {})
  const counts = { messages_in: 3, answered: 1, no_reply_needed: 1, unhandled: 1 }
  t.match(answers, [
    { cohort: 'occurred', rows: [{ from: '2026-03-02T00:00:00.000Z', ...counts }] },
    { data: [{ outcome: 'unhandled' }], next_cursor: null },
    { data: [{ reason: 'Only thanks', message_id: thanks.id }] },
    { cohort: 'fulfilled', rows: [{ channel_id: channel.id, team_id: null, answers: 1, mean_seconds: 1800 }] },
  ])
  t.match(answers.at(-1), { rows: [] })
})

t.test('the page tells of every report, and of everything that becomes of messages', async t => {
  for (const name of [...REPORTS, ...COVERAGE]) t.ok(page.includes(`\`${name}\``), name)
})
