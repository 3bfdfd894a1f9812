import { written } from '../text/written.ts'
import type { StatusEntity } from './entities.ts'

/**
 * A status as text: mentions with their servers, links written out, as their visible text is cut into pieces of which
 * some are hidden. What repeats the quoted post for programs that do not know quotes is left out.
 */
export function textOf({ content, mentions }: Pick<StatusEntity, 'content' | 'mentions'>) {
  const accounts = new Map(mentions.flatMap(({ url, acct }) => (url ? [[url, acct] as const] : [])))
  return written(
    { html: content },
    {
      leaveOut: (name, classes) => name === 'p' && classes.includes('quote-inline'),
      linkText: ({ href, classes, text }) => {
        if (classes.includes('hashtag')) return text || href
        if (!classes.includes('mention')) return href
        const acct = accounts.get(href)
        return acct ? `@${acct}` : text || href
      },
    },
  )
}
