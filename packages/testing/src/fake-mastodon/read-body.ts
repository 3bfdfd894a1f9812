import type { IncomingMessage } from 'node:http'

type Body = { input: Record<string, unknown>; file: { bytes: number; mime_type: string } | null }

/** JSON, a form or a multipart form, as any client of this API may send. */
export async function readBody(request: IncomingMessage): Promise<Body> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const bytes = Buffer.concat(chunks)
  const type = request.headers['content-type'] ?? ''
  if (bytes.length === 0) return { input: {}, file: null }
  if (type.startsWith('application/json')) return { input: JSON.parse(bytes.toString()), file: null }
  const form = await new Response(bytes, { headers: { 'content-type': type } }).formData()
  const input: Record<string, unknown> = {}
  let file: Body['file'] = null
  for (const [name, value] of form) {
    if (typeof value !== 'string') file = { bytes: value.size, mime_type: value.type }
    else if (name.endsWith('[]')) input[name.slice(0, -2)] = [...((input[name.slice(0, -2)] as string[]) ?? []), value]
    else input[name] = value
  }
  return { input, file }
}
