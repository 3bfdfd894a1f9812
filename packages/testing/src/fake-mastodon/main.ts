import { randomBytes } from 'node:crypto'
import { serveRemote } from '../remote.ts'
import type { MastodonCommands } from './commands.ts'
import { openMastodonRecord } from './record.ts'
import { FakeMastodon } from './server.ts'

const server = new FakeMastodon(openMastodonRecord(process.argv[2]!))
const { state } = server

const commands: MastodonCommands = {
  configure: traits => void Object.assign(state.traits, traits),
  beKnownAs: origin => server.beKnownAs(origin),
  addAccount: (acct, { scopes = ['read', 'write'], renewable = false, ...fields } = {}) => {
    const account = state.addAccount(acct, fields)
    return { id: account.id, ...state.grant(account, scopes, renewable) }
  },
  addAppToken: () => state.grant(null, ['read', 'write']).token,
  follow: (acct, whom) => void state.account(acct).follows.add(state.account(whom).id),
  setPolicy: (acct, policy) => void Object.assign(state.account(acct).policy, policy),
  post: (acct, draft) => state.post(state.account(acct), draft).id,
  edit: (id, text) => state.edit(state.statuses.get(id)!, { text }),
  remove: id => state.remove(state.statuses.get(id)!),
  revoke: (token, ranOut = false) => {
    const held = state.tokens.get(token)
    state.tokens.delete(token)
    // It stays known under a name that nobody has, for the sake of its refresh token.
    if (held && ranOut) state.tokens.set(randomBytes(16).toString('hex'), held)
  },
  misbehave: faults => server.faults.plan(faults),
  statuses: () =>
    [...state.statuses.values()].map(status => ({
      id: status.id,
      account: status.account.acct,
      text: status.text,
      spoiler_text: status.spoiler_text,
      visibility: status.visibility,
      language: status.language,
      in_reply_to_id: status.in_reply_to?.id ?? null,
      mentions: status.mentions.map(({ acct }) => acct),
      media: status.media.map(({ id, description }) => ({ id, description })),
      favourites: status.favourited_by.size,
      deleted: status.deleted,
    })),
  openStreams: () => server.streams.count(),
  cutStreams: () => server.streams.cut(),
}

await serveRemote(commands, () => server.listen())
