import type { HeaderLines } from 'mailparser'

/** The headers of a mail as they came, unfolded. The first is the topmost: the last server wrote it. */
export type MailHeaders = { first: (name: string) => string | undefined; all: (name: string) => string[] }

export function mailHeaders(lines: HeaderLines): MailHeaders {
  const all = (name: string) =>
    lines
      .filter(({ key }) => key === name)
      .map(({ line }) =>
        line
          .slice(line.indexOf(':') + 1)
          .replace(/\r?\n(?=[ \t])/g, '')
          .trim(),
      )
  return { all, first: name => all(name)[0] }
}
