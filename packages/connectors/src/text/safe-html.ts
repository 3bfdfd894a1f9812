import { cleanCharacters, type TextMark } from '@parley/domain'
import {
  allowedAddress,
  BLOCKS,
  CELLS,
  escapedValue,
  INLINE,
  LAYOUT,
  readingAttributes,
  UNREADABLE,
} from './allowed-html.ts'
import { type HtmlSink, readHtml } from './html-tokens.ts'
import { HtmlWriter } from './html-writer.ts'
import { PlainText } from './plain-text.ts'

/** Deeper elements are left out and their text kept: whoever walks the result later needs no more stack than this. */
const MAX_DEPTH = 50
const REL = 'nofollow noopener noreferrer ugc'
const HANDLER = /^on/

/** A link as its network wrote it; `text` is what a reader sees. */
export type WrittenLink = { href: string; classes: string[]; text: string }

export type HtmlOptions = {
  /** What stands for a link in the plain text, where that is not the text of the link. */
  linkText?: (link: WrittenLink) => string
  /** True for an element that is left out with all that is in it. Asked of blocks alone. */
  leaveOut?: (name: string, classes: string[]) => boolean
}

/** `html` may be put into a page as it is; `text` is the same in lines, not cut and not composed yet. */
export type SafeHtml = { html: string; text: string; marks: TextMark[] }

/**
 * What anybody wrote as HTML, as HTML of a few harmless elements and as plain text. Linear in its length. The result
 * is written anew and never copied, so a tag that is read differently elsewhere is text or is not there.
 */
export function safeHtml(written: string, options: HtmlOptions = {}): SafeHtml {
  const source = cleanCharacters(written)
  const cleaner = new HtmlCleaner(options)
  readHtml(source.text, cleaner)
  return cleaner.finish(source.marks)
}

class HtmlCleaner implements HtmlSink {
  readonly #writer = new HtmlWriter()
  readonly #plain = new PlainText()
  readonly #linkText: (link: WrittenLink) => string
  readonly #leaveOut: (name: string, classes: string[]) => boolean
  /** The block that is being left out. */
  #leftOut: string | undefined
  /** Text since the last tag that was kept: it is composed as one, whatever was left out of it. */
  #pending = ''
  #unreadable: string | undefined
  #link: WrittenLink | undefined
  #atLineStart = true
  #breakDue = false
  #atPreStart = false
  #cleaned = false

  constructor({ linkText, leaveOut }: HtmlOptions) {
    this.#linkText = linkText ?? (link => link.text || link.href)
    this.#leaveOut = leaveOut ?? (() => false)
  }

  finish(marks: TextMark[]): SafeHtml {
    this.#flush()
    this.#closeTo(0)
    const { html, truncated } = this.#writer
    if (this.#cleaned) marks.push('html_cleaned')
    if (truncated) marks.push('truncated')
    return { html, text: this.#plain.text, marks }
  }

  open(name: string, attributes: Map<string, string>): void {
    if (this.#leavesOut(name, attributes)) return
    for (const attribute of attributes.keys()) if (HANDLER.test(attribute)) this.#cleaned = true
    if (name === 'br') this.#breakLine()
    else if (LAYOUT.has(name)) this.#layout()
    else if (CELLS.has(name)) this.text(' ')
    else if (BLOCKS.has(name)) {
      if (this.#tooDeep()) this.#layout()
      else this.#openBlock(name, attributes)
    } else if (INLINE.has(name)) this.#openInline(name, attributes)
    else {
      this.#cleaned = true
      if (UNREADABLE.has(name)) this.#unreadable = name
      // Emoji often come as pictures.
      if (name === 'img') this.text(attributes.get('alt') ?? '')
    }
  }

  close(name: string): void {
    if (this.#leftOut !== undefined) {
      if (name === this.#leftOut) this.#leftOut = undefined
      return
    }
    if (name === this.#unreadable) this.#unreadable = undefined
    else if (name === 'br') this.#breakLine()
    else if (LAYOUT.has(name)) this.#layout()
    else if (BLOCKS.has(name)) this.#closeNearest(name, name === 'li' ? LISTS : NOTHING)
    else if (INLINE.has(name)) this.#closeNearest(name, BLOCKS)
  }

  text(text: string): void {
    if (this.#unreadable === undefined && this.#leftOut === undefined) this.#pending += text
  }

  /** The next block ends one that was not closed: nobody's text vanishes because of a tag that is missing. */
  #leavesOut(name: string, attributes: Map<string, string>): boolean {
    if (!BLOCKS.has(name) || this.#unreadable !== undefined) return this.#leftOut !== undefined
    const leftOut = this.#leaveOut(name, classesOf(attributes))
    this.#leftOut = leftOut ? name : undefined
    return leftOut
  }

  #openBlock(name: string, attributes: Map<string, string>): void {
    this.#flush()
    // What HTML closes by itself: a browser would, and read something else than is written here.
    if (name === 'li') this.#closeNearest('li', AROUND_ITEMS)
    this.#closeNearest('p', NOTHING)
    this.#breakDue = false
    this.#atLineStart = true
    if (this.#link) this.#link.text += ' '
    else if (name === 'li') this.#plain.beginItem()
    else this.#plain.separate(this.#gapOf(name))
    this.#openTag(name, readingAttributes(attributes))
    this.#atPreStart = name === 'pre'
  }

  #openInline(name: string, attributes: Map<string, string>): void {
    if (this.#tooDeep()) return
    if (name === 'a') this.#openLink(attributes)
    else this.#openTag(name, readingAttributes(attributes))
  }

  #openLink(attributes: Map<string, string>): void {
    this.#closeNearest('a', NOTHING)
    const href = attributes.get('href')
    const address = href === undefined ? undefined : allowedAddress(href)
    if (address === undefined) {
      this.#cleaned ||= href !== undefined
      return
    }
    const classes = classesOf(attributes)
    if (this.#openTag('a', ` href="${escapedValue(address)}" rel="${REL}"${readingAttributes(attributes)}`))
      this.#link = { href: address, classes, text: '' }
  }

  #tooDeep(): boolean {
    const tooDeep = this.#writer.open.length >= MAX_DEPTH
    this.#cleaned ||= tooDeep
    return tooDeep
  }

  #openTag(name: string, attributes: string): boolean {
    this.#flush()
    this.#writeDueBreak()
    this.#atPreStart = false
    return this.#writer.openTag(name, attributes)
  }

  #breakLine(): void {
    this.#flush()
    this.#writeDueBreak()
    this.#writer.lineBreak()
    this.#atLineStart = true
    this.#atPreStart = false
    if (this.#link) this.#link.text += ' '
    else this.#plain.breakLine()
  }

  /** The line ends here, if anything stands in it; a break is written when something follows. */
  #layout(): void {
    if (this.#atLineStart && this.#isBlank(this.#pending)) this.#pending = ''
    this.#flush()
    if (!this.#atLineStart) this.#breakDue = true
    if (this.#link) this.#link.text += ' '
    else this.#plain.separate()
  }

  #writeDueBreak(): void {
    if (this.#breakDue) this.#writer.lineBreak()
    this.#breakDue = false
  }

  /** Closes the innermost element of that name and what is open in it; nothing when one of `barriers` stands between. */
  #closeNearest(name: string, barriers: Set<string>): void {
    const { open } = this.#writer
    for (let depth = open.length - 1; depth >= 0; depth -= 1) {
      if (barriers.has(open[depth]!)) return
      if (open[depth] !== name) continue
      this.#closeTo(depth)
      return
    }
  }

  #closeTo(depth: number): void {
    this.#flush()
    for (const name of this.#writer.open.slice(depth).reverse()) {
      if (name === 'a') this.#endLink()
      else if (BLOCKS.has(name)) this.#endBlock(name)
    }
    this.#writer.closeTo(depth)
  }

  #endLink(): void {
    if (this.#link) this.#plain.write(this.#linkText(this.#link))
    this.#link = undefined
  }

  #endBlock(name: string): void {
    this.#breakDue = false
    this.#atLineStart = true
    if (this.#link) this.#link.text += ' '
    else if (name === 'li') this.#plain.endItem()
    else this.#plain.separate(this.#gapOf(name))
  }

  /** An empty line between paragraphs, none within a list. */
  #gapOf(block: string): 1 | 2 {
    return LISTS.has(block) || this.#writer.open.includes('li') ? 1 : 2
  }

  #isBlank(text: string): boolean {
    return !this.#writer.open.includes('pre') && BLANK.test(text)
  }

  /** Writes the text so far. Only where a tag follows: what stands together is composed together. */
  #flush(): void {
    let text = this.#pending
    this.#pending = ''
    if (this.#atPreStart) text = text.replace(/^[\r\n]+/, '')
    const blank = this.#isBlank(text)
    // White space between two elements of the layout is part of neither.
    if (text === '' || (blank && this.#breakDue)) return
    this.#writeDueBreak()
    this.#atPreStart = false
    this.#atLineStart &&= blank
    this.#writer.text(text)
    if (this.#link) this.#link.text += text
    else if (this.#writer.open.includes('pre')) this.#plain.writeExactly(text)
    else this.#plain.write(text)
  }
}

function classesOf(attributes: Map<string, string>): string[] {
  return (attributes.get('class') ?? '').split(/\s+/)
}

const NOTHING = new Set<string>()
const LISTS = new Set(['ul', 'ol'])
const AROUND_ITEMS = new Set(['ul', 'ol', 'blockquote', 'pre'])
const BLANK = /^[ \t\n\f\r]*$/
