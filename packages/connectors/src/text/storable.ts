import { cleanText } from '@parley/domain'

/** A name or an id as it is stored: cleaned like a text, by the same rules and without a word about it. */
export function storable(text: string): string {
  return cleanText(text).text
}

/** Null for what is absent or empty, also once it is cleaned. */
export function given(text: string | null | undefined): string | null {
  return (text && storable(text)) || null
}

/** Whether Postgres takes the text exactly as it is. */
export function isStorable(text: string): boolean {
  return !text.includes('\u0000') && text.isWellFormed()
}
