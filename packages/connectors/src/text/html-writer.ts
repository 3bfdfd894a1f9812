import { composed, cutText, MAX_TEXT_BYTES } from '@parley/domain'
import { escapedText } from './allowed-html.ts'

/**
 * Writes well-formed HTML of at most MAX_TEXT_BYTES; what no longer fits is left out, from there to the end. Text is composed piece by piece and never together with a tag:
 * U+0338 after `>` would become U+226F, and the tag would have no end.
 */
export class HtmlWriter {
  /** The names of the elements that are open, outermost first. */
  readonly open: string[] = []
  truncated = false
  #html = ''
  #room = MAX_TEXT_BYTES

  get html(): string {
    return this.#html
  }

  /** False when there is no room for it. */
  openTag(name: string, attributes: string): boolean {
    const tag = `<${name}${attributes}>`
    if (!this.#take(Buffer.byteLength(tag) + endTag(name).length)) return false
    this.#html += tag
    this.open.push(name)
    return true
  }

  /** Closes open elements, innermost first, until `depth` are left. */
  closeTo(depth: number): void {
    while (this.open.length > depth) this.#html += endTag(this.open.pop()!)
  }

  lineBreak(): void {
    if (this.#take(4)) this.#html += '<br>'
  }

  text(text: string): void {
    const whole = written(text)
    if (this.#take(Buffer.byteLength(whole))) this.#html += whole
    else this.#html += written(cutText(composed(text), this.#room, part => Buffer.byteLength(written(part))))
    if (this.truncated) this.#room = 0
  }

  #take(bytes: number): boolean {
    this.truncated ||= bytes > this.#room
    if (!this.truncated) this.#room -= bytes
    return !this.truncated
  }
}

const endTag = (name: string) => `</${name}>`

const JOINS_TAG = /^\u0338/

function written(text: string): string {
  return escapedText(composed(text)).replace(/\r\n?/g, '\n').replace(JOINS_TAG, '&#824;')
}
