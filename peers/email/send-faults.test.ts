import {
  DATABASE_STEPS,
  has,
  killSenders,
  lookNotStored,
  type SendStep,
  settledReply,
  startService,
  until,
} from '@parley/testing'
import t from 'tap'
import { openBrand } from './brand.ts'
import { BRAND, threads, write } from './people.ts'

t.setTimeout(300_000)

type Step = SendStep<'smtp' | 'imap'>

const hang = (at: 'smtp' | 'imap', pattern: string) => ({ at, direction: 'up', pattern, effect: 'hang' }) as const
const END_OF_MAIL = '\r\n.\r\n'
const ANSWER = { at: 'smtp', direction: 'down', pattern: '250 OK id=' } as const
const LOST = { ...ANSWER, effect: 'cut' } as const

// Nobody is asked while an e-mail is prepared.
const STEPS: Record<string, Step> = {
  ...DATABASE_STEPS,
  'while the envelope leaves': { falls: hang('smtp', 'MAIL FROM'), leaves: 'sending' },
  'while the mail leaves': { falls: hang('smtp', END_OF_MAIL), leaves: 'sending' },
  'when the mail has left': { falls: { ...hang('smtp', END_OF_MAIL), effect: 'hold' }, leaves: 'sending' },
  'before the answer arrives': { falls: { ...ANSWER, effect: 'hang' }, leaves: 'sending' },
  // Last: the worker goes on without a copy after some seconds.
  'before a copy is in Sent': { falls: hang('imap', 'APPEND'), leaves: 'sending' },
  'while it asks what became of it': { lost: LOST, falls: hang('imap', 'SEARCH'), leaves: 'unknown' },
  'before it notes what became of it': lookNotStored(LOST),
  'never, and the answer is lost': { falls: LOST, leaves: 'unknown' },
}

/** Where SMTP cannot tell, and our own copy in Sent does not either, a person decides; and so many mails are out. */
const IN_DOUBT: Record<string, 0 | 1> = {
  'before the call leaves': 0,
  'while the envelope leaves': 0,
  'while the mail leaves': 0,
  'when the mail has left': 1,
  'before the answer arrives': 1,
  'before a copy is in Sent': 1,
  'while it asks what became of it': 1,
  'before it notes what became of it': 1,
  'never, and the answer is lost': 1,
}

const WELL = 'at no step, and all goes well'

t.test('a worker that dies at any step of a send leaves at most one mail, in the right thread', async t => {
  const brand = await openBrand(t, ['support', 'ana'])
  const { servers, env, conversations, said, pollNow, reply } = brand
  const names = [...Object.keys(STEPS), WELL]
  const questions = new Map<string, string>()
  for (const name of names) {
    // As a program does that keeps what it sends.
    const envelope = { from: 'ana@customer.test', to: [BRAND, 'ana@customer.test'] }
    questions.set(name, await write(servers, { subject: `A question ${name}`, text: 'It leaks.', envelope }))
  }
  const reader = startService(t, 'worker', env)
  const asked = await until('all are listed', async () => {
    await pollNow()
    const found = new Map((await conversations()).map(({ id, subject }) => [subject, id]))
    return names.every(name => found.has(`A question ${name}`)) && found
  })
  // Told to end, not killed: a turn of polling that dies is nobody's for two minutes.
  reader.process.kill('SIGTERM')
  await reader.exited
  const idOf = (name: string) => asked.get(`A question ${name}`)!
  const answer = async (name: string): Promise<string> => {
    const { status, body } = await reply(idOf(name), `An answer ${name}`, `send-faults-${names.indexOf(name)}`)
    if (status !== 202) throw new Error(JSON.stringify(body))
    return body.id
  }

  const ids = await killSenders(t, { ...brand, reply: answer }, STEPS)
  ids.set(WELL, await answer(WELL))
  startService(t, 'worker', env)
  for (const name of names) {
    const state = name in IN_DOUBT ? 'unknown' : 'sent'
    await settledReply(brand, ids.get(name)!, state)
    has(t, await said(idOf(name)), [{ direction: 'inbound' }, { body: `An answer ${name}`, state }], `${name}: rows`)
    t.equal((await said(idOf(name))).length, 2, `${name}: one message`)
  }
  const seen = await until('all that was sent is in her mailbox', async () => {
    const found = await threads(servers, 'ana')
    const mails = found.reduce((sum, thread) => sum + thread.length, 0)
    const expected = names.reduce((sum, name) => sum + 1 + (IN_DOUBT[name] ?? 1), 0)
    return mails >= expected && found
  })
  t.equal(seen.length, names.length, 'no mail is outside of a thread')
  for (const name of names) {
    const [question, ...answers] = seen.find(([first]) => first?.messageId === `<${questions.get(name)}>`) ?? []
    t.ok(question, `${name}: she has her thread`)
    t.equal(answers.length, IN_DOUBT[name] ?? 1, `${name}: mails`)
    for (const mail of answers) {
      has(t, mail, {
        inReplyTo: `<${questions.get(name)}>`,
        subject: `Re: A question ${name}`,
        messageId: `<${ids.get(name)}.parley@brand.test>`,
      })
      t.match(mail.text, `An answer ${name}`)
    }
  }
})
