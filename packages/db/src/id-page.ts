/** A page of a list in order of creation: `limit` rows after the one with that id. */
export type IdPage = { limit: number; after?: string | undefined }

export const FIRST_PAGE: IdPage = { limit: 100 }

/** The id to go on after; the lowest one begins the list. */
export const startOf = (page: IdPage) => page.after ?? '00000000-0000-0000-0000-000000000000'
