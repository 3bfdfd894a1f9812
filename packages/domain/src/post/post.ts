/** Whose post it is: one of our accounts wrote it, somebody else did, or nobody has told. */
export const POST_KINDS = ['own', 'theirs', 'unknown'] as const
export type PostKind = (typeof POST_KINDS)[number]
