import ICAL from 'ical.js'
import { refused } from './refusals.ts'

const MAX_EVENTS = 2000
// Of a zone a calendar gives two, and as many again for each change of its law.
const MAX_ZONE_PARTS = 500
// The parser's time grows with the square of the parameters of a line; a date list of a decade is shorter.
const MAX_LINE = 10_000

/** What holidays are made of; nothing else is parsed. */
const READ = `BEGIN END UID DTSTART DTEND DURATION RRULE EXRULE RDATE EXDATE RECURRENCE-ID SUMMARY STATUS TRANSP TZID
  TZOFFSETFROM TZOFFSETTO X-LIC-LOCATION`.split(/\s+/)
const LINE = new RegExp(`^(?:${READ.join('|')})[;:]`, 'i')

/**
 * The calendars of an iCalendar text (RFC 5545), with the properties that holidays are made of.
 * @throws DomainError `validation_failed` for what is none, has no events or too many
 */
export function parseIcal(text: string): ICAL.Component[] {
  const body = text.replace(/^\ufeff/, '').trimStart()
  if (!/^BEGIN:VCALENDAR\r?\n/i.test(body))
    throw refused('This is no iCalendar: it does not begin with BEGIN:VCALENDAR.')
  // A long line goes on after a break and a blank (RFC 5545, 3.1).
  const lines = body.replace(/\r?\n[ \t]/g, '').split(/\r\n|\n|\r/)
  const read = lines.filter(line => LINE.test(line))
  if (read.some(line => line.length > MAX_LINE)) throw refused(`A line is longer than ${MAX_LINE} characters.`)
  const events = read.filter(line => /^BEGIN:VEVENT\s*$/i.test(line)).length
  if (events === 0) throw refused('There are no events in this calendar.')
  if (events > MAX_EVENTS) throw refused(`There are ${events} events in this calendar; at most ${MAX_EVENTS} are read.`)
  if (read.filter(line => /^BEGIN:(STANDARD|DAYLIGHT)/i.test(line)).length > MAX_ZONE_PARTS)
    throw refused('There are too many time zones in this calendar.')
  try {
    const parsed = ICAL.parse(read.join('\r\n')) as unknown[]
    // One calendar is a component, several are a list of them.
    const all = typeof parsed[0] === 'string' ? [parsed] : (parsed as unknown[][])
    return all.map(one => new ICAL.Component(one))
  } catch (error) {
    throw refused(
      `This is no iCalendar: ${error instanceof Error ? error.message.slice(0, 200) : 'it cannot be read'}.`,
    )
  }
}
