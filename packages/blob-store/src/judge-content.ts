import { fileTypeFromBuffer } from 'file-type'
import { describeText } from './text-content.ts'

/** What is said about a file by whoever brings it. Nothing of it is believed. */
export type Claim = { media_type: string | null; filename: string | null }

/** What a file is by its content; or why it is not kept, in words for the people who look for it. */
export type Verdict = { outcome: 'accepted'; media_type: string } | { outcome: 'refused'; reason: string }

/** As much as the signatures of most formats need, and little enough that unpacking it costs nothing. */
export const HEAD_BYTES = 4_100

const REFUSED = {
  empty: 'The file is empty.',
  program: 'The file is a program, or a kind of file that can start one.',
  active: 'The file is a page that could run scripts (HTML or SVG).',
  mismatch: 'The file is not the image, sound or video that it claims to be.',
}

const PROGRAMS = new Set([
  'application/x-msdownload',
  'application/x-elf',
  'application/x-mach-binary',
  'application/x-ms-shortcut',
  'application/x.ms.shortcut',
  'application/x.apple.alias',
  'application/java-vm',
  'application/java-archive',
  'application/wasm',
  'application/vnd.android.package-archive',
  'application/x-apple-diskimage',
  'application/x-google-chrome-extension',
  'application/x-deb',
  'application/x-rpm',
  'application/x-unix-archive',
])

// Names that Gmail refuses (support.google.com/mail/answer/6590, read 2026-11-23), and pages.
const PROGRAM_NAMES = new RegExp(
  `\\.(${[
    'ade|adp|apk|appx|appxbundle|bat|cab|chm|cmd|com|cpl|deb|diagcab|diagcfg|diagpkg|dll|dmg|ex_?|exe|hta|img|inf|ins',
    'iso|isp|jar|jnlp|jse?|lib|lnk|mde|mjs|msc|msi|msix|msixbundle|msp|mst|nsh|pif|ps1|psm1|reg|rpm|scf|scr|sct|shb|sys',
    'url|vbe?|vbs|vhd|vxd|wsc|wsf|wsh|xll',
  ].join('|')})$`,
  'iu',
)
const PAGE_NAMES = /\.(html?|shtml?|xhtml?|xht|mht|mhtml?|svgz?)$/iu
const MEDIA = /^(image|audio|video)\//
/** Sound and video that file-type names otherwise. */
const OTHER_MEDIA = new Set(['application/ogg', 'application/mxf', 'application/vnd.apple.mpegurl'])

/**
 * Tells from the first bytes of a file whether it is kept, and as what. It is never served as what it claims to be.
 * @param head its first HEAD_BYTES, or all of it
 */
export async function judgeContent(head: Uint8Array, claim: Claim): Promise<Verdict> {
  if (head.byteLength === 0) return refused('empty')
  const name = (claim.filename ?? '').replace(/[\s.]+$/u, '')
  const detected = await detect(head)
  if (PROGRAM_NAMES.test(name) || PROGRAMS.has(detected ?? '') || isScript(head)) return refused('program')
  if (PAGE_NAMES.test(name)) return refused('active')
  const text = describeText(head, claim.media_type)
  // The byte order mark of UTF-16 looks like the start of an MP3.
  if (text.page && (!detected || detected === 'application/xml' || text.marked)) return refused('active')
  const media_type = detected ?? text.media_type ?? 'application/octet-stream'
  if (MEDIA.test(essence(claim.media_type)) && !MEDIA.test(media_type) && !OTHER_MEDIA.has(media_type)) {
    return refused('mismatch')
  }
  return { outcome: 'accepted', media_type }
}

const refused = (why: keyof typeof REFUSED): Verdict => ({ outcome: 'refused', reason: REFUSED[why] })

/** What is cut off or broken on purpose is of no known type. */
async function detect(head: Uint8Array): Promise<string | undefined> {
  const found = await fileTypeFromBuffer(head).catch(() => undefined)
  return found?.mime.split(';')[0]
}

/** `#!` at the start: what it names runs the rest. */
const isScript = (head: Uint8Array) => head[0] === 0x23 && head[1] === 0x21

const essence = (media_type: string | null) => (media_type ?? '').split(';')[0]!.trim().toLowerCase()
