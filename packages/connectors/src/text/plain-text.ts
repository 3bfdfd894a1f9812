const SPACES = /[ \t\n\f\r]+/g

/**
 * Lines of text as a browser would show the elements: white space is one space, a block stands on lines of its own.
 * Calls come in the order of the document.
 */
export class PlainText {
  #text = ''
  #breaks = 0
  #space = false
  #prefix = ''

  get text(): string {
    return this.#text
  }

  write(text: string): void {
    const flowing = text.replace(SPACES, ' ')
    if (flowing.startsWith(' ')) this.#space = true
    const words = flowing.slice(flowing.startsWith(' ') ? 1 : 0, flowing.endsWith(' ') ? -1 : undefined)
    if (words === '') return
    this.writeExactly(words)
    this.#space = flowing.endsWith(' ')
  }

  /** Text whose white space counts. */
  writeExactly(text: string): void {
    if (text === '') return
    if (this.#text !== '') this.#text += this.#breaks > 0 ? '\n'.repeat(this.#breaks) : this.#space ? ' ' : ''
    this.#text += this.#prefix + text
    this.#breaks = 0
    this.#space = false
    this.#prefix = ''
  }

  breakLine(): void {
    this.#breaks += 1
  }

  /** What follows begins on a line of its own, or with 2 after an empty one. */
  separate(breaks: 1 | 2 = 1): void {
    this.#breaks = Math.max(this.#breaks, breaks)
  }

  beginItem(): void {
    this.separate()
    this.#prefix = '- '
  }

  endItem(): void {
    this.separate()
    this.#prefix = ''
  }
}
