export const POST_COLLECTION = 'app.bsky.feed.post'
export const LIKE_COLLECTION = 'app.bsky.feed.like'

const RECORD_URI = /^at:\/\/(did:[a-z]+:[A-Za-z0-9._:%-]+)\/([A-Za-z0-9.-]+)\/([A-Za-z0-9._:~-]+)$/

/** The parts of a post's AT-URI; undefined for any other record, or one addressed by handle. */
export function parsePostUri(uri: string): { did: string; rkey: string } | undefined {
  return parseUri(uri, POST_COLLECTION)
}

/** The parts of the AT-URI of a record of that collection. */
export function parseUri(uri: string, collection: string): { did: string; rkey: string } | undefined {
  const [, did, found, rkey] = RECORD_URI.exec(uri) ?? []
  return did && rkey && found === collection ? { did, rkey } : undefined
}

export function postUri(did: string, rkey: string): string {
  return `at://${did}/${POST_COLLECTION}/${rkey}`
}

/** By DID, so that it survives a change of handle. */
export function postPermalink({ did, rkey }: { did: string; rkey: string }): string {
  return `https://bsky.app/profile/${did}/post/${rkey}`
}
