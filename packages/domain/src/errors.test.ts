import { test } from 'tap'
import { DomainError, NotFound } from './errors.ts'

test('a refusal carries its code, its words and the facts to go on with', async t => {
  const refusal = new DomainError('already_assigned', 'Ana has it.', { assignee_id: '1' })
  t.match(refusal, {
    name: 'DomainError',
    code: 'already_assigned',
    message: 'Ana has it.',
    details: { assignee_id: '1' },
  })
  t.ok(refusal instanceof Error)
  t.match(refusal.stack, 'errors.test.ts', 'the log can say where it came from')
  t.equal(new DomainError('conflict', 'x').details, undefined)
})

test('what is not there is a refusal that does not say whose it might be', async t => {
  const refusal = new NotFound('channel')
  t.ok(refusal instanceof DomainError)
  t.same([refusal.code, refusal.message, refusal.details], ['not_found', 'There is no such channel.', undefined])
})
