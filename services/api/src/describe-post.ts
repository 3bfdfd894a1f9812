import type { ListedPost } from '@parley/db'
import type { Surge } from '@parley/domain'

/** A post as clients read it: what its network has deleted is not shown, and its surge has an end. */
export function describePost(post: ListedPost) {
  const { author_handle, author_name, text, deleted_at, surge, surging_until } = post
  return {
    ...post,
    author: { handle: author_handle, name: author_name },
    text: deleted_at ? null : text,
    surge: surge && surging_until ? { ...(surge as Surge), until: surging_until } : null,
  }
}
