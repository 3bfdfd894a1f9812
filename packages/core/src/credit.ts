import type { Conversation } from '@parley/db'

/** Who owned a conversation when something became of it: logged with that, so that whoever owns it later gets no credit. */
export const creditOf = ({ assignee_id, team_id }: Pick<Conversation, 'assignee_id' | 'team_id'>) => ({
  assignee_id,
  team_id,
})
