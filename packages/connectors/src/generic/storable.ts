/** Text that Postgres takes: no NUL, no lone surrogates, composed. */
export function storable(text: string): string {
  return text.replaceAll('\u0000', '').toWellFormed().normalize('NFC')
}

/** Whether Postgres takes the text exactly as it is. */
export function isStorable(text: string): boolean {
  return !text.includes('\u0000') && text.isWellFormed()
}
