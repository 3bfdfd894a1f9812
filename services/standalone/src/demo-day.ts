/** One conversation of the demo: what customers said, minutes ago, and what became of it. */
export type DemoThread = {
  post: string
  comments: { author: string; text: string; minutes_ago: number }[]
  /** What the team answers, and who. Without it somebody is still waiting. */
  reply?: { agent: string; text: string }
  note?: string
  resolve?: boolean
}

export const AGENTS = ['Mia Berger', 'Jonas Lindqvist', 'Priya Raman']

const POSTS = ['Spring sale', 'New kettle', 'Opening hours', 'We are hiring', 'Recipe of the week']

const NAMES = [
  'Ana Silva',
  'Ben Carter',
  'Chloé Martin',
  'Dmitri Sokolov',
  'Elif Yılmaz',
  'Farid Haddad',
  'Grace Kim',
  'Hiroshi Tanaka',
  'Ingrid Berg',
  'José Álvarez',
  'Kwame Mensah',
  'Lena Vogel',
  'مريم خالد',
  'Noam Levi',
  'Olga Nowak',
]

const QUESTIONS: [question: string, answer: string | null][] = [
  ['Where is my parcel? It was due on Tuesday 📦', 'Sorry for the wait! It is with the courier and arrives today.'],
  ['Does the kettle come in black?', 'It does, from next week on. Shall we keep one for you?'],
  ['The discount code does not work for me', 'Thank you for telling us, it works again now. Please try once more.'],
  ['Are you open on Sunday?', 'Yes, from 11 to 17.'],
  ['هل يمكنكم الشحن إلى دبي؟', 'نعم، خلال خمسة أيام عمل.'],
  ['Quel est le délai de livraison pour Lyon ?', 'Deux à trois jours ouvrés.'],
  ['My order came with a broken lid 😞', 'We are sorry! A new lid leaves today, no need to send anything back.'],
  ['Can I change the delivery address?', 'Done. You will get a new confirmation in a minute.'],
  ['Is this vegan?', 'It is, and so is the whole range.'],
  [
    'I have written three times and nobody answers!',
    'That should not happen. I am on it myself and write within the hour.',
  ],
  ['Love it ❤️', null],
  ['👏👏👏', null],
  ['Kann man die Schulung auch online besuchen?', 'Ja, jeden Donnerstag um 18 Uhr.'],
  ['Still waiting for my refund…', null],
  ['What is the difference between the two models?', null],
]

/** A day of a small shop: the same every time, so that filling it in twice adds nothing. */
export function demoDay(): DemoThread[] {
  const threads: DemoThread[] = []
  for (let index = 0; index < 60; index += 1) {
    const [text, answer] = QUESTIONS[(index * 7) % QUESTIONS.length]!
    const minutes_ago = 1440 - index * 24
    const author = NAMES[(index * 4) % NAMES.length]!
    const comments = [{ author, text, minutes_ago }]
    if (index % 9 === 4) comments.push({ author, text: 'Anybody there?', minutes_ago: minutes_ago - 20 })
    if (index % 11 === 3) {
      const other = NAMES[(index * 4 + 1) % NAMES.length]!
      comments.push({ author: other, text: 'Same question here', minutes_ago: minutes_ago - 10 })
    }
    const answered = answer !== null && index % 5 !== 2
    threads.push({
      post: POSTS[index % POSTS.length]!,
      comments,
      ...(answered ? { reply: { agent: AGENTS[index % AGENTS.length]!, text: answer } } : {}),
      ...(index % 13 === 6 ? { note: 'Asked the warehouse; they call back before noon.' } : {}),
      resolve: answered && index % 3 === 0,
    })
  }
  return threads
}
