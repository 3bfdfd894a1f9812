import { composed } from './composed.ts'

const MAX_BYTES = 200
/** Longer than any file system takes; what lies before it is not even looked at. */
const MAX_CHARACTERS = 1_024
// Control and format characters, among them those that turn the reading direction: `gpj.exe` read backwards is a photo.
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu
// What means something to a file system or a header.
const SPECIAL = /[<>:"|?*\\/]/g
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/iu

/**
 * The name of a file as it can be shown and saved under anywhere: the last part of a path, without control characters,
 * directions and reserved names, at most 200 bytes with its ending kept. Null when nothing is left.
 */
export function safeFileName(name: string | null | undefined): string | null {
  const last = (name ?? '').slice(-MAX_CHARACTERS).split(/[\\/]/).at(-1)!
  const visible = composed(last.toWellFormed()).replace(INVISIBLE, '').replace(SPECIAL, '_').replace(/\s+/gu, ' ')
  const trimmed = visible.replace(/^[\s.]+|[\s.]+$/gu, '')
  if (trimmed === '') return null
  return shortened(DEVICE.test(trimmed) ? `_${trimmed}` : trimmed)
}

function shortened(name: string): string {
  const dot = name.lastIndexOf('.')
  const ending = dot > 0 && name.length - dot <= 12 ? name.slice(dot) : ''
  let stem = [...name.slice(0, name.length - ending.length)]
  const bytes = () => new TextEncoder().encode(stem.join('') + ending).byteLength
  while (stem.length > 1 && bytes() > MAX_BYTES) stem = stem.slice(0, -Math.ceil((bytes() - MAX_BYTES) / 4))
  return stem.join('') + ending
}
