/** Text that Postgres takes: networks may put a NUL into anything they answer. */
export function storableText(text: string): string {
  return text.replaceAll('\0', '')
}
