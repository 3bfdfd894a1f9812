/**
 * Who can read a message, from everybody to the fewest: `unlisted` is public but in no public list, `followers` is for
 * the author's followers and whom it names, `private` for whom it names alone.
 */
export const VISIBILITIES = ['public', 'unlisted', 'followers', 'private'] as const
export type Visibility = (typeof VISIBILITIES)[number]

/** True when more people could read `one` than `other`: what was said to a few is never answered before many. */
export function isWider(one: Visibility, other: Visibility): boolean {
  return VISIBILITIES.indexOf(one) < VISIBILITIES.indexOf(other)
}

/** What an answer gets that asks for nothing: as wide as the message it answers, or the next narrower that is offered. */
export function visibilityOfAnswer(parent: Visibility, offered: readonly Visibility[]): Visibility | undefined {
  return VISIBILITIES.find(visibility => offered.includes(visibility) && !isWider(visibility, parent))
}
