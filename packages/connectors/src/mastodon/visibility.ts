import type { Visibility } from '@parley/domain'

const OURS: Record<string, Visibility> = {
  public: 'public',
  unlisted: 'unlisted',
  private: 'followers',
  direct: 'private',
}

/** What a server's word means; one that is not known (`local`, `mutuals_only`, a list) is answered in private. */
export function visibilityOf(word: string | null | undefined): Visibility {
  return (word && Object.hasOwn(OURS, word) && OURS[word]) || 'private'
}

/** The word that servers know. */
export function wordOf(visibility: Visibility): string {
  return Object.keys(OURS).find(word => OURS[word] === visibility)!
}
